//! Files that import each other in a circle.

use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Which file imports which, by their numbers, and in which line.
type Edges = BTreeMap<usize, BTreeMap<usize, usize>>;

/// The circles among the files of each room, each with the lines that make it. A name that a file
/// takes from the module above it is an import of the file where that module has it from.
pub(crate) fn circles(sources: &[Source]) -> Vec<String> {
    let modules: BTreeMap<&[String], usize> = sources
        .iter()
        .enumerate()
        .map(|(number, source)| (source.module.as_slice(), number))
        .collect();
    let edges = edges(sources, &modules);
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for start in edges.keys() {
        let Some(circle) = shortest_circle(&edges, *start) else {
            continue;
        };
        if told.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
            found.push(describe(sources, &edges, &circle));
        }
    }
    found
}

fn edges(sources: &[Source], modules: &BTreeMap<&[String], usize>) -> Edges {
    let mut edges = Edges::new();
    for (number, source) in sources.iter().enumerate() {
        for import in source.imports.iter().filter(|import| !import.is_handed_on) {
            let target = target(sources, modules, &import.path);
            let is_of_room = |target: &usize| sources[*target].room() == source.room();
            if let Some(target) = target.filter(is_of_room).filter(|target| *target != number) {
                let lines = edges.entry(number).or_default();
                lines.entry(target).or_insert(import.line);
            }
        }
    }
    edges
}

/// The file that has what a path leads to.
fn target(
    sources: &[Source],
    modules: &BTreeMap<&[String], usize>,
    path: &[String],
) -> Option<usize> {
    let file = (1..=path.len())
        .rev()
        .find_map(|length| modules.get(&path[..length]))?;
    let source = &sources[*file];
    let name = path.get(source.module.len());
    let origin = source
        .imports
        .iter()
        .find(|import| Some(&import.name) == name);
    match origin {
        Some(origin) if origin.path != path => target(sources, modules, &origin.path),
        _ => Some(*file),
    }
}

/// The shortest way from a file back to itself.
fn shortest_circle(edges: &Edges, start: usize) -> Option<Vec<usize>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut reached = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let last = way.last()?;
        for next in edges.get(last).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                return Some(way);
            }
            if reached.insert(*next) {
                ways.push_back([way.as_slice(), &[*next]].concat());
            }
        }
    }
    None
}

fn describe(sources: &[Source], edges: &Edges, circle: &[usize]) -> String {
    let next = circle.iter().cycle().skip(1);
    let steps = circle.iter().zip(next).map(|(from, to)| {
        let line = edges
            .get(from)
            .and_then(|lines| lines.get(to))
            .unwrap_or(&0);
        format!(
            "{}:{line} imports {}",
            sources[*from].file, sources[*to].file
        )
    });
    format!("a circle: {}", steps.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let children = ["a", "b", "c"].map(str::to_owned);
        let read = |(file, text): &(&str, &str)| {
            let is_above = file.ends_with("mod.rs");
            Source::read(file, text, if is_above { &children } else { &[] })
        };
        circles(&files.iter().map(read).collect::<Vec<_>>())
    }

    #[test]
    fn a_circle_is_found_however_long() {
        let (a, b) = (
            ("r/a.rs", "use super::b::B;"),
            ("r/b.rs", "\nuse super::c::{C, D};"),
        );
        assert_eq!(found(&[a, b, ("r/c.rs", "")]), Vec::<String>::new());
        assert_eq!(
            found(&[a, b, ("r/c.rs", "fn f() -> super::a::A {}")]),
            ["a circle: r/a.rs:1 imports r/b.rs, r/b.rs:2 imports r/c.rs, r/c.rs:1 imports r/a.rs"]
        );
    }

    #[test]
    fn a_circle_is_found_through_the_names_of_the_module_above() {
        let above = ("r/mod.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;");
        let (a, b) = (("r/a.rs", "use super::B;"), ("r/b.rs", "use super::A;"));
        assert_eq!(found(&[above, a, b]).len(), 1);
        assert_eq!(found(&[above, a, ("r/b.rs", "")]), Vec::<String>::new());
        let used = ("r/mod.rs", "pub use a::A;\npub use b::B;\nfn f() -> A {}");
        assert_eq!(
            found(&[used, ("r/a.rs", "use super::f;"), ("r/b.rs", "")]).len(),
            1
        );
        let own = ("r/mod.rs", "use a::A;\npub struct B(A);");
        assert_eq!(found(&[own, a]).len(), 1);
    }

    #[test]
    fn files_of_different_rooms_make_no_circle_here() {
        let files = [
            ("r/a.rs", "use crate::s::b;"),
            ("s/b.rs", "use crate::r::a;"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }
}
