//! What may happen, and random histories of it.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, json};
use std::collections::BTreeSet;

/// The objects of a history.
pub(super) const OBJECTS: [&str; 4] = ["flags/a", "flags/b", "flags/c", "flags/d"];

/// What an object yields.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// What its values hold.
    pub(crate) value: u8,
    /// How many keys only this object yields.
    pub(crate) own: u8,
    /// Which of three keys it yields that any object may yield.
    pub(crate) shared: BTreeSet<u8>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(usize, Content),
    Delete(usize),
    /// Another plugin is uploaded, or it is removed.
    Plugin(Option<u8>),
    /// An event of an earlier change is delivered, early or again; its worker has so long.
    Deliver {
        change: Index,
        host: Index,
        dies_after_ms: Option<u64>,
    },
    /// The next read of an object is answered late, with what was there in time.
    SlowRead(usize, u64),
    /// An operator has everything brought up to date, while events are delivered.
    Sync,
    /// Redis answers nobody for so long.
    SlowRedis(u64),
    /// Time passes.
    Wait(u64),
    /// Redis loses something.
    Lose(Loss),
}

/// What Redis loses, be it by eviction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    Owners,
    Index,
    /// The record of one object.
    Record(usize),
    /// What is recorded of one object in the hash slots of a cluster.
    Parts(usize),
    Everything,
}

/// What happens to a bucket, in order.
pub(crate) fn histories() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 3..24)
}

/// The same, with losses in between: either owners or records, since a key that has lost both is
/// like any that somebody else has written.
pub(crate) fn histories_with_losses() -> impl Strategy<Value = Vec<Step>> {
    let object = 0..OBJECTS.len();
    let owners = prop_oneof![
        4 => Just(Loss::Owners),
        1 => Just(Loss::Everything),
    ];
    let records = prop_oneof![
        2 => Just(Loss::Index),
        4 => object.clone().prop_map(Loss::Record),
        2 => object.prop_map(Loss::Parts),
        1 => Just(Loss::Everything),
    ];
    let history = |loss: BoxedStrategy<Loss>| {
        let step = prop_oneof![
            5 => step(),
            1 => loss.prop_map(Step::Lose),
        ];
        prop::collection::vec(step, 3..24)
    };
    prop_oneof![
        1 => history(owners.boxed()),
        3 => history(records.boxed()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let object = 0..OBJECTS.len();
    let content = (0..3_u8, 0..3_u8, prop::collection::btree_set(0..3_u8, 0..3))
        .prop_map(|(value, own, shared)| Content { value, own, shared });
    let deliver = (
        any::<Index>(),
        any::<Index>(),
        prop::option::weighted(0.15, 0..12_u64),
    );
    prop_oneof![
        6 => (object.clone(), content).prop_map(|(object, content)| Step::Put(object, content)),
        3 => object.clone().prop_map(Step::Delete),
        1 => prop::option::weighted(0.8, 0..3_u8).prop_map(Step::Plugin),
        8 => deliver.prop_map(|(change, host, dies_after_ms)| Step::Deliver { change, host, dies_after_ms }),
        3 => (object, 1..15_u64).prop_map(|(object, ms)| Step::SlowRead(object, ms)),
        1 => Just(Step::Sync),
        1 => (1..8_u64).prop_map(Step::SlowRedis),
        2 => (1..6_u64).prop_map(Step::Wait),
    ]
}

impl Content {
    /// Its Redis keys, as a plugin without letters yields them.
    pub(super) fn keys(&self, object: usize) -> Vec<String> {
        let own = (0..self.own).map(|number| format!("own:{object}:{number}"));
        let shared = self.shared.iter().map(|number| format!("shared:{number}"));
        own.chain(shared).collect()
    }

    /// What all of them hold.
    pub(super) fn text(&self) -> String {
        format!("value {}", self.value)
    }

    /// The object.
    pub(super) fn body(&self, object: usize) -> String {
        let entries = self.keys(object).into_iter();
        let entries: Map<_, _> = entries
            .map(|key| (key, json!({"bytes": self.text()})))
            .collect();
        json!({"do": "yield", "entries": entries}).to_string()
    }
}

/// What a plugin puts before its keys.
pub(super) fn letter(variant: u8) -> &'static str {
    ["A", "B", "C"][usize::from(variant) % 3]
}
