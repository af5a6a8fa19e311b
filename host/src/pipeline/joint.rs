//! Objects that are committed together: one, and whoever has keys that it yields.
//!
//! A key that an object yields may belong to another one that has given it up in the bucket but not
//! yet in Redis: it was deleted (the old name of a renamed object), or it yields something else by
//! now. Its own event will say so, sooner or later; but waiting for it would make a rename depend on
//! the order of its events, and two objects that swap their keys would wait for each other for
//! ever. So the owner is evaluated as well, and both are committed in one go.
//!
//! A [`verdict`] names one such key. Who has the others is looked up before the next commit, and so on for those
//! that join: a commit is large, and not to be sent once for every owner.

use super::decide::Rerun;
use super::error::ChangeError;
use super::evaluate::Foreseen;
use super::notes::{Notes, Stage};
use super::objects::{Begun, Objects};
use super::room::{Conditions, Room};
use super::verdict::{self, Conflict, Extent, InTheWay, Next};
use crate::budget::Held;
use crate::ledger::{Proposal, Touched};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Objects that begin together to join a commit. Where one of them turns out to keep its key, the tickets of those
/// behind it were taken in vain.
const JOINED_AT_ONCE: usize = 50;

/// Objects that are committed together. The first is the one that was asked for.
pub(super) struct Joint<'a> {
    objects: &'a Objects,
    /// Those of the first.
    conditions: Conditions<'a>,
    /// Where the evaluations of the others are noted.
    aside: &'a Notes,
    proposals: Vec<Proposal>,
    /// The memory of each.
    rooms: Vec<Option<Room>>,
    /// Why each of the others is among them.
    joined_for: HashMap<String, Conflict>,
    /// Objects that were taken for unchanged, and are not.
    rewritten: HashSet<String>,
}

impl<'a> Joint<'a> {
    /// Of nobody yet.
    pub(super) fn new(objects: &'a Objects, conditions: Conditions<'a>, aside: &'a Notes) -> Self {
        Self {
            objects,
            conditions,
            aside,
            proposals: Vec::new(),
            rooms: Vec::new(),
            joined_for: HashMap::new(),
            rewritten: HashSet::new(),
        }
    }

    /// Evaluates one more under its ticket; what is to be reported of it.
    pub(super) async fn add(&mut self, key: &str, begun: Begun) -> Result<Foreseen, ChangeError> {
        let (rerun, notes) = match self.proposals.is_empty() {
            true => (self.conditions.rerun, self.conditions.notes),
            false => (Rerun::IfChanged, self.aside),
        };
        let rerun = match self.rewritten.contains(key) {
            true => Rerun::Always,
            false => rerun,
        };
        let conditions = self.conditions.beside(rerun, &self.rooms, notes);
        let evaluated = self.objects.evaluate(key, begun, conditions).await;
        let (proposal, foreseen, room) = evaluated.map_err(|cause| self.told(key, cause))?;
        self.proposals.push(proposal);
        self.rooms.push(room);
        Ok(foreseen)
    }

    /// Commits all of them, if the ledger takes them, and says what is to be done after its verdict.
    pub(super) async fn commit(&mut self) -> Result<Next, ChangeError> {
        let sending = self.room_to_send().await;
        let started = Instant::now();
        let verdict = self.objects.ledger.commit(&mut self.proposals).await;
        self.conditions.notes.time(Stage::Commit, started);
        drop(sending);
        verdict::next(verdict?, &self.proposals)
    }

    /// Evaluates all of them again, under tickets that they take together: workers that renew one at a time keep each
    /// other from getting on. The one in that place is written in any case, if so said. What is to be reported of the
    /// first.
    pub(super) async fn renew(
        &mut self,
        place: usize,
        rewrite: bool,
    ) -> Result<Foreseen, ChangeError> {
        let drained = self.proposals.drain(..);
        let (keys, touched): (Vec<String>, Vec<Touched>) = drained
            .map(|one| {
                let touched = one.touches();
                (one.key, touched)
            })
            .unzip();
        self.rooms.clear();
        if rewrite {
            self.rewritten.extend(keys.get(place).cloned());
        }
        let begun = self.objects.begin(&keys).await?;
        let mut own = None;
        for ((key, begun), touched) in keys.iter().zip(begun).zip(touched) {
            let foreseen = self.add(key, begun).await?;
            own.get_or_insert(foreseen);
            if let Some(proposal) = self.proposals.last_mut() {
                proposal.touched = touched;
            }
        }
        own.ok_or(ChangeError::Contended)
    }

    /// Adds the owner of a key that one of the proposals claims, and whoever has others of their keys,
    /// and of the keys of those that are added, until nobody else is seen to be in the way. Ends with the
    /// first that keeps its key, and gives that: unless the commit finds that something has changed
    /// meanwhile, there is no more to be done.
    pub(super) async fn join(&mut self, first: InTheWay) -> Result<Option<Conflict>, ChangeError> {
        let objects = self.objects;
        let mut extent = Extent::of(&self.proposals);
        let own = self.proposals.iter();
        let mut known: HashSet<String> = own.map(|own| own.key.clone()).collect();
        let (mut in_the_way, mut looked_up) = (vec![first], 0);
        loop {
            in_the_way.retain(|one| known.insert(one.owner.clone()));
            for joining in in_the_way.chunks(JOINED_AT_ONCE) {
                let keys: Vec<String> = joining.iter().map(|one| one.owner.clone()).collect();
                let begun = objects.begin(&keys).await;
                let begun = begun.map_err(|cause| joining[0].conflict.unresolved(cause))?;
                for (begun, one) in begun.into_iter().zip(joining) {
                    let (owner, conflict) = (one.owner.clone(), one.conflict.clone());
                    self.joined_for.insert(owner, conflict);
                    self.add(&one.owner, begun).await?;
                    if let Some(proposal) = self.proposals.last_mut() {
                        objects.ledger.complete(proposal).await?;
                        extent.add(proposal);
                        if proposal.claims(&one.redis_key) {
                            return Ok(Some(one.conflict.clone()));
                        }
                    }
                    extent.check_room(&one.conflict)?;
                }
            }
            if looked_up == self.proposals.len() {
                return Ok(None);
            }
            let latest = &self.proposals[looked_up..];
            let others = objects.ledger.other_owners(latest).await?.into_iter();
            looked_up = self.proposals.len();
            in_the_way = others
                .map(|(owner, redis_key)| InTheWay::new(owner, redis_key))
                .collect();
        }
    }

    /// The proposal of the first.
    pub(super) fn into_own(mut self) -> Proposal {
        self.proposals.swap_remove(0)
    }

    /// Of an object that joined, with what it is needed for.
    fn told(&self, key: &str, cause: ChangeError) -> ChangeError {
        match self.joined_for.get(key) {
            Some(conflict) => conflict.unresolved(cause),
            None => cause,
        }
    }

    /// Takes the memory that the commit needs beside the entries, from the account of the first proposal that
    /// writes any.
    async fn room_to_send(&self) -> Option<Held> {
        let room = self.rooms.iter().flatten().next()?;
        Some(room.of_commit(&self.proposals).await)
    }
}
