//! The map of the library stands at the head of `src/lib.rs`: imports point down only, and no files of
//! a room import each other in a circle.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read the sources panics"
)]

mod circles;
mod source;

use circles::circles;
use source::{OUTSIDE, Source, module};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Rooms by layer, the highest first.
type Map = BTreeMap<String, usize>;

/// The map as the documentation of the library has it.
fn map(lib: &str) -> Map {
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

/// What a file imports that the map does not allow it to.
fn trespasses(source: &Source, map: &Map) -> Vec<String> {
    let (file, room) = (&source.file, source.room());
    let Some(own) = map.get(room) else {
        return vec![format!("{file}: the room `{room}` is not on the map")];
    };
    let mut found = BTreeSet::new();
    for import in &source.imports {
        let other = import
            .path
            .first()
            .map_or("the whole library", String::as_str);
        let way = match map.get(other) {
            _ if other == room || other == OUTSIDE => continue,
            Some(layer) if layer > own => continue,
            Some(layer) if layer == own => "sideways",
            Some(_) => "upwards",
            None => "what is no room of the map,",
        };
        let line = import.line;
        found.insert((
            line,
            format!("{file}:{line}: `{room}` imports {way} `{other}`"),
        ));
    }
    found.into_iter().map(|(_, message)| message).collect()
}

/// Every source file below a folder, but those of tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "tests" || name.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The sources of all rooms.
fn sources() -> Vec<Source> {
    let root = root();
    let paths = files(&root);
    let names = paths
        .iter()
        .map(|path| path.strip_prefix(&root).unwrap().display().to_string());
    let names: Vec<String> = names.collect();
    let modules: Vec<Vec<String>> = names.iter().map(|name| module(name)).collect();
    let children = |own: &[String]| -> Vec<String> {
        let below = modules.iter().filter_map(|module| module.strip_prefix(own));
        below.filter_map(|rest| rest.first().cloned()).collect()
    };
    let read = |(path, name): (&PathBuf, &String)| {
        let text = std::fs::read_to_string(path).unwrap();
        Source::read(name, &text, &children(&module(name)))
    };
    let sources = paths.iter().zip(&names).map(read);
    sources.filter(|source| source.file != "lib.rs").collect()
}

#[test]
fn imports_point_down_the_map() {
    let map = map(&std::fs::read_to_string(root().join("lib.rs")).unwrap());
    assert!(map.len() > 15, "{map:?}");
    let sources = sources();
    let found: Vec<String> = sources
        .iter()
        .flat_map(|source| trespasses(source, &map))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_room_of_the_map_is_there() {
    let map = map(&std::fs::read_to_string(root().join("lib.rs")).unwrap());
    let sources = sources();
    let rooms: BTreeSet<&str> = sources.iter().map(Source::room).collect();
    let gone: Vec<&String> = map
        .keys()
        .filter(|room| !rooms.contains(room.as_str()))
        .collect();
    assert!(gone.is_empty(), "on the map, but not in src: {gone:?}");
}

#[test]
fn no_files_of_a_room_import_each_other_in_a_circle() {
    let found = circles(&sources());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_wrong_import_is_told_with_its_line() {
    let map = map("//! # The map\n//!\n//! ```text\n//! high\n//! low other\n//! ```\n//! `deep`");
    assert_eq!(map.len(), 3);
    let found = |file: &str, text: &str| trespasses(&Source::read(file, text, &[]), &map);
    let said = "low/a.rs:2: `low` imports upwards `high`";
    assert_eq!(found("low/a.rs", "\nuse crate::high::{A, B};"), [said]);
    let said = "low.rs:1: `low` imports sideways `other`";
    assert_eq!(found("low.rs", "fn f() -> super::other::A {}"), [said]);
    let said = "low.rs:1: `low` imports what is no room of the map, `nowhere`";
    assert_eq!(found("low.rs", "use crate::nowhere::A;"), [said]);
    let said = "cellar.rs: the room `cellar` is not on the map";
    assert_eq!(found("cellar.rs", ""), [said]);
    let none: [&str; 0] = [];
    assert_eq!(
        found("high/a.rs", "use crate::{low::A, other, high::B};"),
        none
    );
    assert_eq!(found("low/a.rs", "use super::b::B;\nuse std::fmt;"), none);
}
