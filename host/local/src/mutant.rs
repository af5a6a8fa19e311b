//! Careless variants of the scripts that tests call: `MUTANT` names a patch, which is applied to them, so
//! that nothing is built for one. See `tests/mutants`.

/// What stands in a script, and what is to stand there instead.
pub struct Mutant(Vec<(String, String)>);

impl Mutant {
    /// The one that the environment names, if it does.
    ///
    /// # Panics
    ///
    /// Where it cannot be read.
    pub fn of_environment() -> Option<Self> {
        let path = std::env::var("MUTANT").ok()?;
        let patch = std::fs::read_to_string(&path);
        Some(Self::parse(
            &patch.unwrap_or_else(|error| panic!("{path}: {error}")),
        ))
    }

    fn parse(patch: &str) -> Self {
        let mut hunks: Vec<(String, String)> = Vec::new();
        for line in patch.lines() {
            if line.starts_with("@@") {
                hunks.push(Default::default());
            } else if let Some((before, after)) = hunks.last_mut() {
                let (sign, text) = line.split_at_checked(1).unwrap_or((" ", ""));
                for (side, other) in [(before, "+"), (after, "-")] {
                    if sign != other {
                        side.push_str(text);
                        side.push('\n');
                    }
                }
            }
        }
        Self(hunks)
    }

    /// The script with the change; `None` where it is another script.
    pub fn applied_to(&self, script: &str) -> Option<String> {
        let changed = self
            .0
            .iter()
            .fold(script.to_owned(), |script, (before, after)| {
                script.replacen(before, after, 1)
            });
        (changed != script).then_some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_the_script_that_has_its_lines() {
        let patch = "Careless.\n--- a/x.lua\n+++ b/x.lua\n@@ -1,3 +1,2 @@\n one\n-two\n+three\n \n@@ -9 +9 @@\n-four\n";
        let mutant = Mutant::parse(patch);
        let changed = mutant.applied_to("zero\none\ntwo\n\nfour\n");
        assert_eq!(changed.as_deref(), Some("zero\none\nthree\n\n"));
        assert_eq!(mutant.applied_to("one\nthree\n"), None);
    }
}
