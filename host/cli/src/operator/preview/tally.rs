//! What all answers of a preview come to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Objects that are kept of those that would change, and of those that would fail.
const MAX_KEPT: usize = 1000;

/// The slowest objects that are told.
const SLOWEST: usize = 5;

/// Shares of the fuel that are left, in percent, of which each has its place in the histogram.
pub(crate) const HEADROOM: [u64; 6] = [90, 75, 50, 25, 10, 0];

/// An object, as the preview answers it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) outcome: String,
    pub(crate) error: Option<String>,
    pub(crate) fails_now: bool,
    pub(crate) fuel: Option<u64>,
    pub(crate) fuel_limit: Option<u64>,
    pub(crate) time_ms: f64,
    pub(crate) changes: Vec<Change>,
    pub(crate) left_out: u64,
}

/// What would change in a Redis key.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Change {
    pub(crate) key: String,
    pub(crate) change: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) type_before: Option<String>,
    pub(crate) bytes_before: Option<u64>,
    pub(crate) bytes_after: Option<u64>,
    pub(crate) time_to_live: Option<String>,
    pub(crate) taken_over: bool,
    pub(crate) elements: Option<Counts>,
    pub(crate) fields: Vec<Field>,
}

/// What would change in an element of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Field {
    pub(crate) field: String,
    pub(crate) change: String,
    pub(crate) bytes_before: Option<u64>,
    pub(crate) bytes_after: Option<u64>,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// How many there are of each kind of change.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub(crate) added: u64,
    pub(crate) changed: u64,
    pub(crate) removed: u64,
}

impl Counts {
    /// Adds others.
    pub(crate) fn add(&mut self, others: &Self) {
        self.added += others.added;
        self.changed += others.changed;
        self.removed += others.removed;
    }
}

/// An answer.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    plugin: String,
    sha256: String,
    keys: Counts,
    objects: Vec<Object>,
    pub(super) next: Option<String>,
}

/// All answers.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tally {
    pub(crate) plugin: String,
    pub(crate) sha256: String,
    /// Objects that were tried.
    pub(crate) objects: u64,
    pub(crate) would_change: u64,
    pub(crate) would_fail: u64,
    /// Of those that would fail, the ones that do not fail now.
    pub(crate) would_fail_anew: u64,
    /// Redis keys.
    pub(crate) keys: Counts,
    /// The first of those that would change.
    pub(crate) changed: Vec<Object>,
    /// The first of those that would fail.
    pub(crate) failed: Vec<Object>,
    /// How many objects leave so much of their fuel, as [`HEADROOM`] has it.
    pub(crate) fuel_left: [u64; HEADROOM.len()],
    /// Those that took the longest, without what they would change.
    pub(crate) slowest: Vec<Object>,
}

impl Tally {
    /// Adds an answer.
    pub(super) fn add(&mut self, answer: Answer) {
        (self.plugin, self.sha256) = (answer.plugin, answer.sha256);
        self.keys.add(&answer.keys);
        for object in answer.objects {
            self.add_object(object);
        }
        self.slowest.truncate(SLOWEST);
    }

    /// Adds another tally of the same plugin.
    pub(crate) fn extend(&mut self, other: Self) {
        (self.plugin, self.sha256) = (other.plugin, other.sha256);
        self.objects += other.objects;
        self.would_change += other.would_change;
        self.would_fail += other.would_fail;
        self.would_fail_anew += other.would_fail_anew;
        self.keys.add(&other.keys);
        self.changed.extend(other.changed);
        self.failed.extend(other.failed);
        for (place, count) in self.fuel_left.iter_mut().zip(other.fuel_left) {
            *place += count;
        }
        self.slowest.extend(other.slowest);
        self.slowest
            .sort_by(|one, other| other.time_ms.total_cmp(&one.time_ms));
        self.slowest.truncate(SLOWEST);
    }

    fn add_object(&mut self, object: Object) {
        self.objects += 1;
        if let (Some(fuel), Some(limit @ 1..)) = (object.fuel, object.fuel_limit) {
            let left = limit.saturating_sub(fuel);
            let percent = u128::from(left) * 100 / u128::from(limit);
            let place = HEADROOM
                .iter()
                .position(|share| percent >= u128::from(*share));
            if let Some(count) = place.and_then(|place| self.fuel_left.get_mut(place)) {
                *count += 1;
            }
        }
        let timed = Object {
            changes: Vec::new(),
            error: None,
            ..object.clone()
        };
        let after = |known: &Object| known.time_ms >= timed.time_ms;
        let place = self.slowest.iter().take_while(|known| after(known)).count();
        self.slowest.insert(place, timed);
        self.slowest.truncate(SLOWEST);
        let kept = match object.outcome.as_str() {
            "changed" => {
                self.would_change += 1;
                &mut self.changed
            }
            "failed" => {
                self.would_fail += 1;
                self.would_fail_anew += u64::from(!object.fails_now);
                &mut self.failed
            }
            _ => return,
        };
        if kept.len() < MAX_KEPT {
            kept.push(object);
        }
    }

    /// Whether no object would fail that does not fail now.
    pub(crate) fn is_good(&self) -> bool {
        self.would_fail_anew == 0
    }

    /// For scripts.
    pub(crate) fn document(&self) -> Value {
        let mut document = serde_json::json!(self);
        let shares = HEADROOM.iter().zip(self.fuel_left);
        let histogram = shares
            .map(|(share, count)| serde_json::json!({"percent_at_least": share, "objects": count}));
        document["fuel_left"] = Value::Array(histogram.collect());
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, outcome: &str, fuel: u64, time_ms: f64) -> Object {
        Object {
            key: key.into(),
            outcome: outcome.into(),
            fuel: Some(fuel),
            fuel_limit: Some(100),
            time_ms,
            ..Object::default()
        }
    }

    #[test]
    fn what_is_left_of_the_fuel_is_counted_by_its_share_and_the_slowest_come_first() {
        let mut tally = Tally::default();
        let objects = [
            (5, 1.0),
            (10, 3.0),
            (11, 2.0),
            (95, 9.0),
            (100, 4.0),
            (200, 5.0),
            (50, 6.0),
        ];
        for (place, (fuel, time)) in objects.into_iter().enumerate() {
            tally.add_object(object(&place.to_string(), "unchanged", fuel, time));
        }
        assert_eq!(tally.fuel_left, [2, 1, 1, 0, 0, 3]);
        let keys: Vec<&str> = tally.slowest.iter().map(|object| &*object.key).collect();
        assert_eq!(keys, ["3", "6", "5", "4", "1"]);
    }

    #[test]
    fn a_failure_counts_as_new_where_the_object_does_not_fail_now() {
        let mut tally = Tally::default();
        let failing = Object {
            fails_now: true,
            ..object("a", "failed", 1, 1.0)
        };
        tally.add_object(failing);
        assert!(tally.is_good() && tally.would_fail == 1);
        tally.add_object(object("b", "failed", 1, 1.0));
        assert!(!tally.is_good());
    }
}
