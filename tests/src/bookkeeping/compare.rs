//! Comparing the bookkeeping with what the bucket means.

use super::{Bookkeeping, Meaning, Record, Yields};
use std::collections::{BTreeMap, BTreeSet};

impl Bookkeeping {
    /// How it differs from what it is to be, a sentence each: who owns which Redis key, which keys a
    /// record lists, which objects an index does, and that nothing else is there.
    #[must_use]
    pub fn differences(&self, meaning: &Meaning) -> Vec<String> {
        let mut found = self.misplaced.clone();
        for (object, yields) in &meaning.0 {
            match self.records.get(object) {
                Some(record) => self.compare(object, record, yields, &mut found),
                None => found.push(format!("`{object}` has no record")),
            }
        }
        self.compare_owners(meaning, &mut found);
        let gone = |(object, _): &(&String, &Record)| !meaning.0.contains_key(*object);
        for (object, record) in self.records.iter().filter(gone) {
            self.compare_gone(object, record, &mut found);
        }
        let objects: BTreeSet<String> = meaning.0.keys().cloned().collect();
        let indexed: BTreeSet<String> = self.indexed.keys().cloned().collect();
        if indexed != objects {
            found.push(format!("{indexed:?} are in the index, not {objects:?}"));
        }
        let others = self.others.iter();
        found.extend(others.map(|name| format!("`{name}` is left behind")));
        self.compare_parts(meaning, &mut found);
        found
    }

    /// The objects that a worker is at, or was when it died, and those whose last attempt failed.
    #[must_use]
    pub fn unsettled(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (object, record) in &self.records {
            let [issued, committed, announced] =
                ["issued", "ticket", "announced"].map(|field| record.ticket(field));
            if issued != committed {
                let tickets = format!("ticket {issued} was issued, {committed} committed");
                found.push(format!("`{object}`: {tickets}"));
            }
            if announced > committed {
                let tickets = format!("ticket {announced} was announced, {committed} committed");
                found.push(format!("`{object}`: {tickets}"));
            }
            if !record.text("error").is_empty() {
                found.push(format!("`{object}` has failed: {}", record.text("error")));
            }
        }
        for ((object, slot), part) in &self.parts {
            let committed = self
                .records
                .get(object)
                .map(|record| record.ticket("ticket"));
            if !part.keys().is_empty() && Some(part.ticket("ticket")) != committed {
                let ticket = part.text("ticket");
                let what = format!("`{object}`: ticket {ticket} in slot {slot}");
                found.push(format!("{what}, {committed:?} in its record"));
            }
        }
        found
    }

    /// The Redis keys that each object has written.
    #[must_use]
    pub fn keys_by_object(&self) -> BTreeMap<String, Vec<String>> {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, owner) in &self.owners {
            let object = owner.split_once(' ').map_or("", |(_, object)| object);
            let object = object.strip_prefix(&self.space).unwrap_or_default();
            if let Some(object) = object.strip_prefix('/') {
                keys.entry(object.to_owned()).or_default().push(key.clone());
            }
        }
        keys
    }

    fn compare(&self, object: &str, record: &Record, yields: &Yields, found: &mut Vec<String>) {
        let mut differs = |what: String| found.push(format!("the record of `{object}` {what}"));
        let listed = record.keys();
        let keys: BTreeSet<String> = listed.iter().cloned().collect();
        if keys != yields.keys || keys.len() != listed.len() {
            differs(format!("lists {listed:?}, not {:?}", yields.keys));
        }
        if record.etag() != yields.etag {
            let etag = record.etag();
            differs(format!(
                "has the entity tag `{etag}`, not `{}`",
                yields.etag
            ));
        }
        if record.expires {
            differs("expires, though the object is there".to_owned());
        }
        if !record.text("error").is_empty() {
            differs(format!("says that it has failed: {}", record.text("error")));
        }
        if !record.earlier().is_empty() {
            differs(format!("still has {:?}", record.earlier()));
        }
        if self
            .indexed
            .get(object)
            .is_some_and(|slot| *slot != record.slot)
        {
            differs("is in another slot than the index that has it".to_owned());
        }
        if let Some(slots) = self.slots_of(&yields.keys) {
            let listed: Vec<u64> = serde_json::from_str(&record.text("slots")).unwrap_or_default();
            if listed.iter().copied().collect::<BTreeSet<_>>() != slots {
                differs(format!("lists the slots {listed:?}, not {slots:?}"));
            }
        }
    }

    fn compare_gone(&self, object: &str, record: &Record, found: &mut Vec<String>) {
        let mut differs = |what: &str| {
            found.push(format!("the record of `{object}`, which is gone, {what}"));
        };
        let listed = record.keys();
        if !listed.is_empty() {
            differs(&format!("lists {listed:?}"));
        }
        if !record.etag().is_empty() {
            differs(&format!("has the entity tag `{}`", record.etag()));
        }
        if !record.expires {
            differs("stays for ever");
        }
        if self.slots.is_some() && !["", "[]"].contains(&record.text("slots").as_str()) {
            differs(&format!("lists the slots {}", record.text("slots")));
        }
    }

    /// Each Redis key has one owner, which wrote it under the ticket that its record says.
    fn compare_owners(&self, meaning: &Meaning, found: &mut Vec<String>) {
        let mut owned = BTreeSet::new();
        for (object, yields) in &meaning.0 {
            let mark = self.records.get(object).map(Record::mark);
            let owner = format!("{} {}/{object}", mark.unwrap_or_default(), self.space);
            for key in &yields.keys {
                owned.insert(key);
                let noted = self.owners.get(key);
                if noted != Some(&owner) {
                    let noted = noted.map_or("nobody", String::as_str);
                    found.push(format!("the owner of `{key}` is {noted}, not {owner}"));
                }
            }
        }
        for (key, owner) in self.owners.iter().filter(|(key, _)| !owned.contains(key)) {
            found.push(format!(
                "`{key}` is still {owner}'s, which yields it no more"
            ));
        }
    }

    /// What is recorded in each hash slot of a cluster.
    fn compare_parts(&self, meaning: &Meaning, found: &mut Vec<String>) {
        let mut slots_with_keys = BTreeSet::new();
        for (object, yields) in &meaning.0 {
            for slot in self.slots_of(&yields.keys).into_iter().flatten() {
                let here = |key: &&String| self.slot_of(key) == Some(slot);
                let keys: BTreeSet<String> = yields.keys.iter().filter(here).cloned().collect();
                let part = (object.clone(), slot);
                let listed = self.parts.get(&part).map(Record::keys);
                if listed.iter().flatten().cloned().collect::<BTreeSet<_>>() != keys {
                    let what = format!("the part of `{object}` in slot {slot}");
                    found.push(format!("{what} lists {listed:?}, not {keys:?}"));
                }
                slots_with_keys.insert(part);
            }
        }
        for (part, record) in &self.parts {
            let (object, slot) = part;
            let has_keys = slots_with_keys.contains(part);
            if !has_keys && !record.keys().is_empty() {
                let what = format!("the part of `{object}` in slot {slot}");
                found.push(format!("{what} still lists {:?}", record.keys()));
            }
            if has_keys == record.expires {
                let how = if has_keys {
                    "expires"
                } else {
                    "stays for ever"
                };
                found.push(format!("the part of `{object}` in slot {slot} {how}"));
            }
        }
    }

    /// The hash slots of Redis keys; none on one server. A key that no bookkeeping names is left
    /// out: it is missed elsewhere.
    fn slots_of(&self, keys: &BTreeSet<String>) -> Option<BTreeSet<u64>> {
        let slots = self.slots.as_ref()?;
        Some(
            keys.iter()
                .filter_map(|key| slots.get(key).copied())
                .collect(),
        )
    }

    fn slot_of(&self, key: &str) -> Option<u64> {
        self.slots.as_ref()?.get(key).copied()
    }
}
