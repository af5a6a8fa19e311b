//! What may happen, and random histories of it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::iter;
use std::ops::RangeInclusive;

/// How many requests go on in the end before their order repeats itself.
const LAST: usize = 40;

/// Elements of a list that is staged.
const LONG: usize = 1001;

/// What happens, in order.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Whether objects may go on claiming one key.
    pub(super) clashes: bool,
    pub(super) steps: Vec<Step>,
    /// Which of the requests that wait goes on, again and again, when nothing else happens any more: what goes wrong
    /// then, nothing mends.
    pub(super) last: Vec<Index>,
}

/// What an object yields.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// What its values hold.
    pub(super) value: u8,
    /// Whether they are lists that are too long to be sent with a commit.
    pub(super) is_long: bool,
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
    /// An object becomes what it was a while ago: now and then before its last change.
    Revert(usize, Index),
    Delete(usize),
    /// Another plugin is uploaded, or it is removed.
    Plugin(Option<u8>),
    /// A host gets an event of an earlier change, for the first time or again.
    Deliver {
        change: Index,
        host: Index,
    },
    /// A host gets an event of the last change.
    DeliverLast(Index),
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

impl Step {
    /// Whether it changes the bucket.
    fn is_change(&self) -> bool {
        matches!(
            self,
            Self::Put(..) | Self::Revert(..) | Self::Delete(_) | Self::Plugin(_)
        )
    }
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
    /// Of every value that is staged the last element.
    Staged,
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
    /// Replicas take over that have not all that was written, with clocks that are behind or ahead; in a part of them
    /// records are lost besides.
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

/// How much of what happens in one history: in some nothing dies, in others hardly anything else happens. What only
/// a few kinds of steps bring about together, the same share of each in all histories would hardly ever show.
#[derive(Clone, Debug)]
struct Shares {
    objects: usize,
    /// Whether an object yields the same keys whatever it holds.
    has_steady_keys: bool,
    /// Whether some values are long.
    has_long_values: bool,
    /// Whether each change has its event at once. Where some have theirs in the end, that event mends what went wrong
    /// before.
    is_prompt: bool,
    /// Of events that come late or again.
    events: u32,
    /// Of requests that go on: the more of them, the more is done between two changes.
    requests: u32,
    /// Of each other kind of step besides puts.
    each: [u32; 8],
}

/// Shares in a history of so many objects.
fn shares(objects: RangeInclusive<usize>) -> impl Strategy<Value = Shares> {
    let each = prop::array::uniform8(prop::sample::select(&[0, 1, 1, 3][..]));
    let events = prop_oneof![Just((true, 0)), Just((true, 1)), Just((false, 1))];
    let requests = prop::sample::select(&[1, 2, 4][..]);
    // They take ten times as long.
    let has_long_values = prop::bool::weighted(0.1);
    let keys = (any::<bool>(), has_long_values);
    let shares = (objects, keys, events, requests, each);
    shares.prop_map(
        |(objects, (has_steady_keys, has_long_values), (is_prompt, events), requests, each)| {
            Shares {
                objects,
                has_steady_keys,
                has_long_values,
                is_prompt,
                events,
                requests,
                each,
            }
        },
    )
}

/// Steps that histories of a kind have besides, of so many objects, with their weight.
type More = (u32, fn(usize) -> BoxedStrategy<Step>);

/// Random histories.
pub(crate) fn histories(kind: Kind) -> BoxedStrategy<History> {
    let of = |objects: RangeInclusive<usize>, more: Option<More>| {
        let steps = shares(objects).no_shrink().prop_flat_map(move |shares| {
            let more = more.map(|(weight, more)| (weight, more(shares.objects)));
            let step = (step(&shares, more), any::<Index>());
            let event = move |(step, host): (Step, Index)| {
                let event = shares.is_prompt && step.is_change();
                iter::once(step).chain(event.then_some(Step::DeliverLast(host)))
            };
            let steps = prop_oneof![2 => vec(step.clone(), 4..40), 1 => vec(step, 40..90)];
            steps.prop_map(move |steps| steps.into_iter().flat_map(event).collect::<Vec<_>>())
        });
        let last = vec(any::<Index>(), LAST);
        (steps, last)
            .prop_map(move |(steps, last)| History {
                clashes: kind == Kind::Clashes,
                steps: steps.into_iter().filter(|step| kind.has(step)).collect(),
                last,
            })
            .boxed()
    };
    match kind {
        Kind::Plain => of(1..=4, None),
        Kind::Clashes => of(1..=5, None),
        Kind::Prefixes => of(1..=3, None),
        Kind::Upgrades => of(1..=3, Some((12, |_| Just(Step::Earlier).boxed()))),
        Kind::Crowded => of(16..=24, None),
        Kind::Losses => {
            let owners = of(1..=4, Some((24, |_| lost_owners())));
            prop_oneof![1 => owners, 3 => of(1..=4, Some((24, lost_records)))].boxed()
        }
        Kind::Failovers => {
            let alone = of(1..=3, Some((70, |_| failures())));
            let and_lost = of(1..=3, Some((85, failures_and_lost_records)));
            prop_oneof![2 => alone, 1 => and_lost].boxed()
        }
        Kind::Rights => of(1..=3, Some((24, |_| rights()))),
    }
}

/// Never `Everything`: a commit under way would lose its record, and the owner of what it then writes to a hash slot; a
/// key without both is a stranger's.
fn lost_owners() -> BoxedStrategy<Step> {
    let loss = prop_oneof![2 => Just(Loss::Owners), 1 => Just(Loss::Generation)];
    loss.prop_map(Step::Lose).boxed()
}

fn lost_records(objects: usize) -> BoxedStrategy<Step> {
    prop_oneof![
        2 => Just(Loss::Index),
        2 => Just(Loss::Generation),
        4 => (0..objects).prop_map(Loss::Record),
        2 => (0..objects).prop_map(Loss::Parts),
        1 => Just(Loss::Staged),
        1 => Just(Loss::Everything),
    ]
    .prop_map(Step::Lose)
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

fn failures_and_lost_records(objects: usize) -> BoxedStrategy<Step> {
    prop_oneof![4 => failures(), 1 => lost_records(objects)].boxed()
}

fn rights() -> BoxedStrategy<Step> {
    let refused = prop::option::weighted(0.5, any::<Index>());
    refused.prop_map(Step::Refuse).boxed()
}

fn content(shares: &Shares) -> impl Strategy<Value = Content> + use<> {
    let has_steady_keys = shares.has_steady_keys;
    let shared = 1 + u8::try_from(shares.objects / 2).unwrap_or(u8::MAX);
    let shared = prop::collection::btree_set(0..shared, 0..3);
    let is_long = prop::bool::weighted(if shares.has_long_values { 0.5 } else { 0.0 });
    (0..3_u8, is_long, 0..3_u8, shared).prop_map(move |(value, is_long, own, shared)| Content {
        value,
        is_long,
        own: if has_steady_keys { 1 } else { own },
        shared: if has_steady_keys {
            BTreeSet::new()
        } else {
            shared
        },
    })
}

fn step(shares: &Shares, more: Option<(u32, BoxedStrategy<Step>)>) -> BoxedStrategy<Step> {
    let objects = shares.objects;
    let content = content(shares);
    let place = any::<Index>;
    let put = (0..objects, content).prop_map(|(object, content)| Step::Put(object, content));
    let revert = (0..objects, place()).prop_map(|(object, version)| Step::Revert(object, version));
    let deliver = (place(), place()).prop_map(|(change, host)| Step::Deliver { change, host });
    let plugin = prop::option::weighted(0.8, 0..3_u8).prop_map(Step::Plugin);
    let always = [
        (40, put.boxed()),
        (60 * shares.events, deliver.boxed()),
        (200 * shares.requests, place().prop_map(Step::Go).boxed()),
    ];
    let at_times = [
        (15, revert.boxed()),
        (20, (0..objects).prop_map(Step::Delete).boxed()),
        (6, plugin.boxed()),
        (6, place().prop_map(Step::Sync).boxed()),
        (3, place().prop_map(Step::LoseAnswer).boxed()),
        (1, place().prop_map(Step::LoseRequest).boxed()),
        (8, place().prop_map(Step::Die).boxed()),
        (12, place().prop_map(Step::Again).boxed()),
    ];
    let at_times = at_times.into_iter().zip(shares.each);
    let at_times = at_times.map(|((weight, step), share)| (weight * share, step));
    let steps = always.into_iter().chain(more).chain(at_times);
    prop::strategy::Union::new_weighted(steps.filter(|(weight, _)| *weight > 0).collect()).boxed()
}

impl Content {
    /// Its Redis keys, as a plugin without letters yields them.
    pub(super) fn keys(&self, object: usize) -> Vec<String> {
        let own = (0..self.own).map(|number| format!("own:{object}:{number}"));
        let shared = self.shared.iter().map(|number| format!("shared:{number}"));
        own.chain(shared).collect()
    }

    /// What all of them hold.
    pub(super) fn value(&self) -> Value {
        let text = format!("value {}", self.value);
        match self.is_long {
            true => json!(vec![text; LONG]),
            false => json!(text),
        }
    }

    /// The object.
    pub(super) fn body(&self, object: usize) -> String {
        let kind = if self.is_long { "list" } else { "bytes" };
        let entries = self.keys(object).into_iter();
        let entries: Map<_, _> = entries
            .map(|key| (key, json!({kind: self.value()})))
            .collect();
        json!({"do": "yield", "entries": entries}).to_string()
    }
}

/// What a plugin puts before its keys.
pub(super) fn letter(variant: u8) -> &'static str {
    ["A", "B", "C"][usize::from(variant) % 3]
}
