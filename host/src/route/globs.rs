//! The globs of a manifest's `keys`, bounded: what they compile to grows with every brace.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Globs of one manifest, all routes together.
pub(super) const MAX_GLOBS: usize = 1000;

/// Bytes of one glob.
const MAX_GLOB_BYTES: usize = 1000;

/// Bytes of all globs of a manifest together.
pub(super) const MAX_GLOBS_BYTES: usize = 64 * 1024;

/// Alternatives (`{a,b}`) within one another.
const MAX_NESTED: usize = 4;

/// Globs over Redis keys.
#[derive(Clone, Debug)]
pub struct KeyGlobs {
    /// As the manifest writes them.
    pub patterns: Vec<String>,
    /// The same, ready to match.
    set: GlobSet,
}

impl KeyGlobs {
    /// Whether one of the globs matches.
    pub fn allow(&self, key: &str) -> bool {
        self.set.is_match(key)
    }
}

/// Compiles the globs of a route.
pub(super) fn compile(patterns: Vec<String>) -> Result<KeyGlobs, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in &patterns {
        check(pattern)?;
        let glob = GlobBuilder::new(pattern).build();
        set.add(glob.map_err(|error| format!("`keys`: {error}"))?);
    }
    let set = set.build().map_err(|error| format!("`keys`: {error}"))?;
    Ok(KeyGlobs { patterns, set })
}

fn check(pattern: &str) -> Result<(), String> {
    if pattern.len() > MAX_GLOB_BYTES {
        return Err(format!(
            "`keys`: a glob has {} bytes, more than {MAX_GLOB_BYTES}",
            pattern.len()
        ));
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    for character in pattern.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > MAX_NESTED {
        return Err(format!(
            "`keys`: a glob has {deepest} braces within one another, more than {MAX_NESTED}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_past_a_bound_are_refused_with_the_number() {
        let refusal = |pattern: String| compile(vec![pattern]).unwrap_err();
        assert!(refusal("{".repeat(20_000)).contains("20000 bytes, more than 1000"));
        let nested = format!("{}a{}", "{".repeat(5), "}".repeat(5));
        assert!(refusal(nested).contains("5 braces within one another, more than 4"));
        let within = [
            "{a,{b,{c,{d}}}}:*".into(),
            "{a}".repeat(5),
            "a".repeat(1000),
        ];
        assert!(compile(within.into()).is_ok());
    }
}
