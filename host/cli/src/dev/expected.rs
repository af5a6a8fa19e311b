//! What Redis shall hold at the end: an entries document, for checks of a bucket before it is live.

use crate::diff;
use crate::problem::Advise;
use crate::screen::{GREEN, RED, Screen, plain, styled};
use anyhow::Result;
use redis_sync::entry::{Entry, document};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What a file says.
pub(super) struct Expected {
    file: PathBuf,
    entries: Vec<Entry>,
}

impl Expected {
    pub(super) fn read(file: &Path) -> Result<Self> {
        let next = "`--update` writes what Redis holds";
        let text =
            std::fs::read(file).advise(|| format!("{} cannot be read", file.display()), next)?;
        let entries = document::parse(&text).advise(
            || format!("{} is no entries document", file.display()),
            next,
        )?;
        Ok(Self {
            file: file.to_owned(),
            entries: lasting(entries),
        })
    }

    /// Whether Redis holds that and nothing else; how it differs is shown.
    pub(super) fn compare(&self, held: Vec<Entry>, screen: &Screen) -> bool {
        let lines = diff::entries(&self.entries, &lasting(held));
        let (file, good) = (self.file.display(), lines.is_empty());
        if good {
            screen.say(format!(
                "{} Redis holds what {file} says",
                styled(GREEN, "✓")
            ));
        } else {
            screen.say(format!(
                "{} Redis does not hold what {file} says:",
                styled(RED, "✗")
            ));
        }
        for line in &lines {
            screen.say(format!("  {line}"));
        }
        screen.event(&json!({"as_expected": good, "differences": plain(&lines)}));
        good
    }
}

/// Writes what Redis holds.
pub(super) fn write(file: &Path, mut held: Vec<Entry>) -> Result<()> {
    held.sort_by(|one, other| one.key.cmp(&other.key));
    let document = document::render(&held);
    std::fs::write(file, format!("{document}\n")).advise(
        || format!("{} cannot be written", file.display()),
        "its folder must be there",
    )
}

/// The same entries without their times to live, which run off while they are looked at.
fn lasting(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries
        .iter_mut()
        .for_each(|entry| entry.ttl_seconds = None);
    entries
}
