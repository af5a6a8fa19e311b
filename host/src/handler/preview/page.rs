//! One answer of a preview: as many objects as fit.

use super::change::Counts;
use super::object::{Outcome, Previewed};
use crate::event::PreviewRequest;
use crate::handler::answer_size::json_size;
use serde::Serialize;
use serde_json::{Value, json};

/// Bytes of an answer after which no more objects are taken into it. One object is of less than half a
/// MiB, so that it stays under the largest answer.
pub(super) const FULL_BYTES: usize = 4 << 20;

/// What has been tried so far.
pub(super) struct Page {
    objects: Vec<Previewed>,
    /// Bytes of them as JSON.
    bytes: usize,
    objects_by_outcome: Counted,
    keys: Counts,
    /// Where it has begun.
    after: String,
    /// The key up to which everything has been tried.
    reached: String,
    /// Whether that was all.
    is_complete: bool,
}

/// Objects by outcome.
#[derive(Default, Serialize)]
struct Counted {
    changed: u64,
    unchanged: u64,
    failed: u64,
}

impl Page {
    pub(super) fn new(request: &PreviewRequest) -> Self {
        Self {
            objects: Vec::new(),
            bytes: 0,
            objects_by_outcome: Counted::default(),
            keys: Counts::default(),
            after: request.after.clone(),
            reached: request.after.clone(),
            is_complete: false,
        }
    }

    /// Takes an object, if there is room for it; `false` where there is not.
    pub(super) fn add(&mut self, object: Option<Previewed>) -> bool {
        // It was deleted since it was listed.
        let Some(object) = object else {
            return true;
        };
        let bytes = json_size(&object);
        if self.bytes + bytes > FULL_BYTES && !self.objects.is_empty() {
            return false;
        }
        self.bytes += bytes;
        match object.outcome {
            Outcome::Changed => self.objects_by_outcome.changed += 1,
            Outcome::Unchanged => self.objects_by_outcome.unchanged += 1,
            Outcome::Failed => self.objects_by_outcome.failed += 1,
        }
        self.keys.add(&object.keys);
        object.key.clone_into(&mut self.reached);
        self.objects.push(object);
        true
    }

    /// Everything up to this key has been tried.
    pub(super) fn reach(&mut self, last: Option<String>) {
        if let Some(last) = last {
            self.reached = last;
        }
    }

    /// Everything has been tried.
    pub(super) fn end(&mut self) {
        self.is_complete = true;
    }

    /// Whether there is anything to tell.
    pub(super) fn has_got_on(&self) -> bool {
        self.reached > self.after
    }

    pub(super) fn answer(self, plugin: &str, sha256: &str) -> Value {
        let Counted {
            changed, failed, ..
        } = self.objects_by_outcome;
        let objects = self.objects.len();
        json!({
            "plugin": plugin,
            "sha256": sha256,
            "message": format!("{objects} objects: {changed} would change, {failed} would fail"),
            "counts": self.objects_by_outcome,
            "keys": self.keys,
            "objects": self.objects,
            "next": (!self.is_complete).then_some(self.reached),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::answer_size::MAX_ANSWER_BYTES;

    #[test]
    fn a_page_ends_where_the_answer_would_become_too_large() {
        let request = PreviewRequest::default();
        let mut page = Page::new(&request);
        let object = |number: usize| Previewed::failed(format!("{number:05}"), &"x".repeat(1000));
        let taken = (0..10_000).take_while(|number| page.add(Some(object(*number))));
        let taken = taken.count();
        assert!(page.has_got_on());
        let answer = page.answer("a.wasm", "0");
        assert_eq!(answer["objects"].as_array().map(Vec::len), Some(taken));
        assert_eq!(answer["next"], format!("{:05}", taken - 1));
        let bytes = json_size(&answer);
        assert!(
            (FULL_BYTES - 2000..MAX_ANSWER_BYTES).contains(&bytes),
            "{bytes}"
        );
    }
}
