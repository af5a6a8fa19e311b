//! What may happen, and random histories of it.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, json};
use std::collections::BTreeSet;

/// What happens, in order.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Whether objects may go on claiming one key.
    pub(super) clashes: bool,
    pub(super) steps: Vec<Step>,
}

/// What an object yields.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// What its values hold.
    pub(super) value: u8,
    /// How many keys only this object yields.
    pub(super) own: u8,
    /// Which of some keys it yields that any object may yield.
    pub(super) shared: BTreeSet<u8>,
}

/// One thing that happens. A place, be it of a host, a change or a request, is taken of as many as
/// there are then.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Put(usize, Content),
    Delete(usize),
    /// Another plugin is uploaded, or it is removed.
    Plugin(Option<u8>),
    /// A host gets an event of an earlier change, for the first time or again.
    Deliver {
        change: Index,
        host: Index,
    },
    /// An operator has a host bring everything up to date.
    Sync(Index),
    /// A request that waits is let through.
    Go(Index),
    /// A request to Redis is carried out, and its answer lost.
    LoseAnswer(Index),
    /// A request to Redis is lost.
    LoseRequest(Index),
    /// A host dies with all that it is at; what it has sent may arrive later.
    Die(Index),
    /// A request to Redis of before arrives, once more or at last.
    Again(Index),
    /// Redis loses something.
    Lose(Loss),
    /// All that is kept was written by an earlier version.
    Earlier,
    /// From here on nothing reaches the replica of a Redis server.
    Lag(Index),
    /// A Redis server fails, and its replica takes over, with what had reached it.
    Failover(Index),
    /// The clock of a Redis server is so many seconds ahead from now on.
    Clock(Index, i8),
    /// The user of Redis may not call this command any more, or may call all again that it might at the start.
    Refuse(Option<Index>),
}

/// What Redis loses, be it by eviction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    Owners,
    Index,
    /// For what hosts keep the plugin list.
    Generation,
    /// The record of one object.
    Record(usize),
    /// What is recorded of one object in the hash slots of a cluster.
    Parts(usize),
    Everything,
}

/// What a history has besides changes, events, deaths and requests that are lost or repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Plain,
    /// 24 objects that take over each other's keys.
    Crowded,
    /// Redis loses either owners or records: a key that has lost both is like any that somebody else
    /// has written.
    Losses,
    /// Objects that claim one key and go on so.
    Clashes,
    /// Two deployments whose data keys have different prefixes.
    Prefixes,
    /// An upgrade, with a prefix.
    Upgrades,
    /// Replicas take over that have not all that was written, with clocks that are behind or ahead.
    Failovers,
    /// Two deployments whose user of Redis has the rights that the template gives it, and now and then
    /// lacks one of those.
    Rights,
}

impl Kind {
    /// Whether something happens in it. A worker that dies when it has written to some hash slots of a cluster
    /// leaves a part of what it was to write, until the object can be written whole again: where objects claim one
    /// key, that may be never.
    fn has(self, step: &Step) -> bool {
        let breaks = matches!(step, Step::Die(_) | Step::Again(_) | Step::Plugin(_));
        self != Self::Clashes || !breaks
    }

    /// The prefixes of data keys, one for each deployment.
    pub(super) fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Prefixes | Self::Rights => &["", "green:"],
            Self::Upgrades => &["app:"],
            _ => &[""],
        }
    }
}

/// The object of a number.
pub(super) fn object(number: usize) -> String {
    format!("flags/{number:02}")
}

/// Random histories.
pub(crate) fn histories(kind: Kind) -> BoxedStrategy<History> {
    let of = |objects: usize, more: BoxedStrategy<Step>, weight: u32| {
        let step = prop_oneof![
            30 - weight => step(objects),
            weight => more,
        ];
        let steps = prop::collection::vec(step, 4..90);
        steps
            .prop_map(move |steps| History {
                clashes: kind == Kind::Clashes,
                steps: steps.into_iter().filter(|step| kind.has(step)).collect(),
            })
            .boxed()
    };
    match kind {
        Kind::Plain => of(4, step(4), 1),
        Kind::Clashes => of(5, step(5), 1),
        Kind::Prefixes => of(3, step(3), 1),
        Kind::Upgrades => of(3, Just(Step::Earlier).boxed(), 1),
        Kind::Crowded => of(24, step(24), 1),
        Kind::Losses => {
            let lose = |loss: BoxedStrategy<Loss>| of(4, loss.prop_map(Step::Lose).boxed(), 2);
            prop_oneof![1 => lose(lost_owners()), 3 => lose(lost_records(4))].boxed()
        }
        Kind::Failovers => of(3, failures(), 5),
        Kind::Rights => of(3, rights(), 2),
    }
}

fn lost_owners() -> BoxedStrategy<Loss> {
    prop_oneof![
        4 => Just(Loss::Owners),
        2 => Just(Loss::Generation),
        1 => Just(Loss::Everything),
    ]
    .boxed()
}

fn lost_records(objects: usize) -> BoxedStrategy<Loss> {
    prop_oneof![
        2 => Just(Loss::Index),
        2 => Just(Loss::Generation),
        4 => (0..objects).prop_map(Loss::Record),
        2 => (0..objects).prop_map(Loss::Parts),
        1 => Just(Loss::Everything),
    ]
    .boxed()
}

fn failures() -> BoxedStrategy<Step> {
    prop_oneof![
        3 => any::<Index>().prop_map(Step::Lag),
        2 => any::<Index>().prop_map(Step::Failover),
        1 => (any::<Index>(), -5..6_i8).prop_map(|(server, ahead)| Step::Clock(server, ahead)),
    ]
    .boxed()
}

fn rights() -> BoxedStrategy<Step> {
    let refused = prop::option::weighted(0.5, any::<Index>());
    refused.prop_map(Step::Refuse).boxed()
}

fn step(objects: usize) -> BoxedStrategy<Step> {
    let shared = 1 + u8::try_from(objects / 2).unwrap_or(u8::MAX);
    let content = (
        0..3_u8,
        0..3_u8,
        prop::collection::btree_set(0..shared, 0..3),
    )
        .prop_map(|(value, own, shared)| Content { value, own, shared });
    let place = any::<Index>;
    prop_oneof![
        40 => (0..objects, content).prop_map(|(object, content)| Step::Put(object, content)),
        20 => (0..objects).prop_map(Step::Delete),
        6 => prop::option::weighted(0.8, 0..3_u8).prop_map(Step::Plugin),
        60 => (place(), place()).prop_map(|(change, host)| Step::Deliver { change, host }),
        6 => place().prop_map(Step::Sync),
        200 => place().prop_map(Step::Go),
        3 => place().prop_map(Step::LoseAnswer),
        1 => place().prop_map(Step::LoseRequest),
        8 => place().prop_map(Step::Die),
        12 => place().prop_map(Step::Again),
    ]
    .boxed()
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
