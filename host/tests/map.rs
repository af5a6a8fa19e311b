//! The map of the library stands at the head of `src/lib.rs`: imports point down only, and no files of
//! a room import each other in a circle.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read the sources panics"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Imports by file name: who imports whom.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// Rooms by layer, the highest first.
fn map(lib: &str) -> BTreeMap<String, usize> {
    let after = lib.split("# The map").nth(1).unwrap_or_default();
    let block = after.split("```text").nth(1).unwrap_or_default();
    let lines = block.lines().take_while(|line| !line.contains("```"));
    let layers = lines
        .map(|line| line.trim_start_matches("//!").trim())
        .filter(|line| !line.is_empty());
    layers
        .enumerate()
        .flat_map(|(layer, rooms)| rooms.split(' ').map(move |room| (room.to_owned(), layer)))
        .collect()
}

/// The lines of a source that are neither tests nor comments, numbered.
fn production(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = "#[cfg(test)]\nmod tests {";
    let code = source.split(tests).next().unwrap_or(source);
    let lines = code.lines().enumerate();
    let lines = lines.map(|(number, line)| (number + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The names that follow `prefix` in a line: `a` and `b` of `prefix::a::x` and `prefix::{a, b::y}`.
fn names(line: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (place, found) in line.match_indices(prefix) {
        let before = line[..place].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || "_:".contains(letter)) {
            continue;
        }
        let rest = &line[place + found.len()..];
        let paths: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group
                .split('}')
                .next()
                .unwrap_or(group)
                .split(',')
                .collect(),
            None => vec![rest],
        };
        let name = |path: &str| -> String {
            let is_name = |letter: &char| letter.is_alphanumeric() || *letter == '_';
            path.trim().chars().take_while(is_name).collect()
        };
        names.extend(paths.into_iter().map(name));
    }
    names
}

/// Every source file below a folder, but those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "tests" || name.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What a file imports that the map does not allow it to.
fn trespasses(room: &str, file: &str, source: &str, map: &BTreeMap<String, usize>) -> Vec<String> {
    let Some(own) = map.get(room) else {
        return vec![format!("{file}: the room `{room}` is not on the map")];
    };
    let mut found = Vec::new();
    for (number, line) in production(source) {
        let rooms = [names(line, "crate::"), names(line, "redis_sync::")].concat();
        for other in rooms.iter().filter(|other| *other != room) {
            let way = match map.get(other) {
                Some(layer) if layer > own => continue,
                Some(layer) if layer == own => "sideways",
                Some(_) => "upwards",
                None => "from no room of the map,",
            };
            found.push(format!("{file}:{number}: `{room}` imports {way} `{other}`"));
        }
    }
    found
}

/// The siblings that each file of a folder imports.
fn siblings(files: &[(String, String)]) -> Edges {
    let known: BTreeSet<&String> = files.iter().map(|(name, _)| name).collect();
    let imports = |source: &str| {
        let names = production(source).flat_map(|(_, line)| names(line, "super::"));
        names.filter(|name| known.contains(name)).collect()
    };
    let edges = files.iter();
    edges
        .map(|(name, source)| (name.clone(), imports(source)))
        .collect()
}

/// A way from one file to another along imports.
fn way(edges: &Edges, from: &str, to: &str, seen: &mut BTreeSet<String>) -> Option<String> {
    for next in edges.get(from).into_iter().flatten() {
        if next == to {
            return Some(next.clone());
        }
        if seen.insert(next.clone())
            && let Some(rest) = way(edges, next, to, seen)
        {
            return Some(format!("{next} -> {rest}"));
        }
    }
    None
}

/// The files that lead back to themselves, each with its way.
fn circles(edges: &Edges) -> Vec<String> {
    let circle = |name: &String| {
        let way = way(edges, name, name, &mut BTreeSet::new())?;
        Some(format!("{name} -> {way}"))
    };
    edges.keys().filter_map(circle).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn imports_point_down_the_map() {
    let root = root();
    let map = map(&read(&root.join("lib.rs")));
    assert!(map.len() > 15, "{map:?}");
    let mut found = Vec::new();
    for path in sources(&root) {
        let file = path.strip_prefix(&root).unwrap();
        let room = file.iter().next().unwrap().to_string_lossy();
        let room = room.replace(".rs", "");
        if room != "lib" {
            let name = file.display().to_string();
            found.extend(trespasses(&room, &name, &read(&path), &map));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn no_files_of_a_room_import_each_other_in_a_circle() {
    let root = root();
    let mut folders: BTreeMap<PathBuf, Vec<(String, String)>> = BTreeMap::new();
    for path in sources(&root) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name != "mod" && name != "lib" {
            let folder = path.parent().unwrap().to_owned();
            folders.entry(folder).or_default().push((name, read(&path)));
        }
    }
    let mut found = Vec::new();
    for (folder, files) in folders {
        let place = folder.strip_prefix(&root).unwrap().display().to_string();
        let circles = circles(&siblings(&files)).into_iter();
        found.extend(circles.map(|circle| format!("{place}: {circle}")));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_wrong_import_is_found_in_every_form() {
    let map = map("//! # The map\n//!\n//! ```text\n//! high\n//! low other\n//! ```\n");
    let found = |source: &str| trespasses("low", "low.rs", source, &map).len();
    assert_eq!(found("use crate::high::Thing;"), 1);
    assert_eq!(found("use crate::{high, other::Thing};"), 2);
    assert_eq!(found("fn f() -> crate::other::Thing {}"), 1);
    assert_eq!(found("use crate::nowhere::Thing;"), 1);
    let harmless =
        "// crate::high\nuse crate::low::Thing;\n#[cfg(test)]\nmod tests { use crate::high; }";
    assert_eq!(found(harmless), 0);
    let down = trespasses("high", "high.rs", "use crate::low::Thing;", &map);
    assert_eq!(down.len(), 0);
    assert_eq!(trespasses("cellar", "cellar.rs", "", &map).len(), 1);
}

#[test]
fn a_circle_is_found_however_long() {
    let file = |name: &str, source: &str| (name.to_owned(), source.to_owned());
    let mut files = vec![
        file("a", "use super::b::B;"),
        file("b", "use super::{c::C, D};"),
        file("c", "use super::Parent;"),
    ];
    assert_eq!(circles(&siblings(&files)), Vec::<String>::new());
    files[2] = file("c", "use super::{Parent, a};");
    assert_eq!(circles(&siblings(&files)).len(), 3);
}
