//! A source file, as far as its imports go.

use std::collections::BTreeSet;

/// Where paths begin that lead to other crates; no module can have this name.
pub(crate) const OUTSIDE: &str = "extern";

/// A path that a file names, from the root of the library on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// The line that names it.
    pub(crate) line: usize,
    /// Room, file, and what is in that.
    pub(crate) path: Vec<String>,
    /// What the file calls it.
    pub(crate) name: String,
    /// Whether it is only handed on, by `pub use`, and not used in the file itself.
    pub(crate) is_handed_on: bool,
}

/// A source file and what it names, without its comments and its tests.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its place below `src`.
    pub(crate) file: String,
    /// The module that it is, from the root of the library on.
    pub(crate) module: Vec<String>,
    /// What it names of the library, by `use` or in passing.
    pub(crate) imports: Vec<Import>,
}

impl Source {
    /// Reads a file; `children` are the modules that lie in it.
    pub(crate) fn read(file: &str, text: &str, children: &[String]) -> Self {
        let module = module(file);
        let tokens = tokens(text);
        let mut reader = Reader {
            tokens: &tokens,
            module: &module,
            children,
            imports: Vec::new(),
            names: BTreeSet::new(),
        };
        reader.read();
        reader.tell_what_is_used();
        Self {
            file: file.to_owned(),
            imports: reader.imports,
            module,
        }
    }

    /// The room that it belongs to.
    pub(crate) fn room(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }
}

/// The module that a file is: `a/b.rs` and `a/b/mod.rs` are `a::b`.
pub(crate) fn module(file: &str) -> Vec<String> {
    let names = file.trim_end_matches(".rs").split('/');
    let names = names.filter(|name| *name != "mod");
    names.map(str::to_owned).collect()
}

/// A name, `::`, or a single character.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

/// The tokens of a file that are neither comments nor tests, which stand at its end.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = code.unwrap_or(text).lines().enumerate();
    lines
        .flat_map(|(number, line)| line_tokens(number + 1, line))
        .collect()
}

fn line_tokens(line: usize, text: &str) -> Vec<Token<'_>> {
    let mut rest = text.split("//").next().unwrap_or(text).trim_start();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let is_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
        let length = if is_of_name(first) {
            rest.find(|letter| !is_of_name(letter))
                .unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        tokens.push(Token { line, text });
        rest = after.trim_start();
    }
    tokens
}

/// Finds the paths among the tokens of a file.
struct Reader<'a> {
    tokens: &'a [Token<'a>],
    module: &'a [String],
    children: &'a [String],
    imports: Vec<Import>,
    /// What stands outside of paths.
    names: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            let before = at.checked_sub(1).map_or("", |before| self.text(before));
            let is_import = self.text(at) == "use" && self.text(at + 1) != "<";
            let is_path = self.begins_here(at) && !["::", "."].contains(&before);
            at = if is_import {
                self.tree(at + 1, &[], ["pub", ")"].contains(&before))
            } else if is_path {
                self.tree(at, &[], false)
            } else {
                self.names.insert(self.text(at));
                at + 1
            };
        }
    }

    fn tell_what_is_used(&mut self) {
        for import in &mut self.imports {
            import.is_handed_on &= !self.names.contains(import.name.as_str());
        }
    }

    fn text(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    /// Whether a path into this library begins at a token.
    fn begins_here(&self, at: usize) -> bool {
        let name = self.text(at);
        let is_root = ["crate", "redis_sync", "super", "self"].contains(&name);
        let is_child = self.children.iter().any(|child| child == name);
        (is_root || is_child) && self.text(at + 1) == "::"
    }

    /// Reads a path with what stands in its braces, as in `a::{b, c::{d, e}}`; returns what follows.
    fn tree(&mut self, mut at: usize, before: &[&str], is_handed_on: bool) -> usize {
        let tokens = self.tokens;
        let mut path = before.to_vec();
        let mut line = 0;
        while let Some(token) = tokens.get(at) {
            if token.text == "{" {
                return self.group(at + 1, &path, is_handed_on);
            }
            if !token
                .text
                .starts_with(|first: char| first.is_alphanumeric() || first == '_')
            {
                break;
            }
            line = token.line;
            path.push(token.text);
            at += 1;
            if self.text(at) != "::" {
                break;
            }
            at += 1;
        }
        let is_renamed = self.text(at) == "as";
        let last = path.last().copied().unwrap_or_default();
        let name = if is_renamed { self.text(at + 1) } else { last };
        let import = Import {
            line,
            name: name.to_owned(),
            path: self.absolute(&path),
            is_handed_on,
        };
        self.imports.push(import);
        if is_renamed { at + 2 } else { at }
    }

    fn group(&mut self, mut at: usize, before: &[&str], is_handed_on: bool) -> usize {
        while at < self.tokens.len() && self.text(at) != "}" {
            at = match self.text(at) {
                "," | "*" => at + 1,
                _ => self.tree(at, before, is_handed_on),
            };
        }
        at + 1
    }

    /// A path as the file has it, from the root of the library on.
    fn absolute(&self, path: &[&str]) -> Vec<String> {
        let mut base = self.module.to_vec();
        let mut names = path.iter().peekable();
        match names.peek() {
            Some(&&("crate" | "redis_sync")) => {
                base.clear();
                names.next();
            }
            Some(&&("self" | "super")) => {}
            Some(name) if self.children.iter().any(|child| child == *name) => {}
            _ => base = vec![OUTSIDE.to_owned()],
        }
        for name in names {
            match *name {
                "super" => drop(base.pop()),
                "self" => {}
                name => base.push(name.to_owned()),
            }
        }
        base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(file: &str, text: &str) -> Vec<(usize, String)> {
        let source = Source::read(file, text, &["child".to_owned()]);
        let ours = source
            .imports
            .iter()
            .filter(|import| import.path[0] != OUTSIDE);
        ours.map(|import| (import.line, import.path.join("::")))
            .collect()
    }

    #[test]
    fn a_path_is_found_in_every_form() {
        let text = "use crate::{\n    a::A,\n    b::{self, c::{C, D}},\n};\nuse bytes::Bytes;\n";
        let expected = [(2, "a::A"), (3, "b"), (3, "b::c::C"), (3, "b::c::D")];
        assert_eq!(
            paths("x/y.rs", text),
            expected.map(|(line, path)| (line, path.into()))
        );
        let one = |file, text| {
            let [(1, path)] = &paths(file, text)[..] else {
                panic!("{:?}", paths(file, text))
            };
            path.clone()
        };
        assert_eq!(one("x/y.rs", "fn f() -> crate::a::A<u8> {}"), "a::A");
        assert_eq!(one("x/y.rs", "use super::z::Z as W;"), "x::z::Z");
        assert_eq!(one("x/y/mod.rs", "super::super::a::f(1)"), "a::f");
        assert_eq!(one("x.rs", "use super::a;"), "a");
        assert_eq!(one("bin/main.rs", "redis_sync::a::f()"), "a::f");
        assert_eq!(
            one("x/mod.rs", "let made = child::f(&x.child);"),
            "x::child::f"
        );
        assert_eq!(one("x/mod.rs", "pub(crate) use child::*;"), "x::child");
    }

    #[test]
    fn comments_tests_and_other_crates_are_passed_over() {
        let text = "//! crate::a\nuse std::fmt; // super::b\nfn f() -> impl Fn() + use<> {}\nother::child::f()\n#[cfg(test)]\nmod tests {\n use crate::c;\n}";
        assert_eq!(paths("x/y.rs", text), []);
    }
}
