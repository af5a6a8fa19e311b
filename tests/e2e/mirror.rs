//! A bucket whose objects the test knows, so that it knows all that Redis should hold, and all that
//! Redis Sync should keep there for itself.

use crate::answers::outcome;
use crate::objects::texts;
use redis_sync_local::{BUCKET, Function, InvokeError, Operation, Parked, S3, event};
use redis_sync_tests::bookkeeping::Meaning;
use redis_sync_tests::target::Target;
use redis_sync_tests::{compiled, guest, program};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::task::JoinHandle;

/// A bucket, what is kept equal to it, and a function that does so.
pub(crate) struct Mirror {
    pub(crate) function: Function,
    pub(crate) s3: S3,
    pub(crate) target: Target,
    variables: Vec<(String, String)>,
    /// What each object of the bucket yields: Redis keys and their values.
    objects: BTreeMap<String, BTreeMap<String, String>>,
}

impl Mirror {
    /// An empty bucket with the guest for `flags/`, in which time stands still: an object that is put
    /// again with the same content looks as it did.
    pub(crate) async fn of(target: Target) -> Self {
        let s3 = S3::start(BUCKET).await.unwrap();
        s3.set_clock(Some(SystemTime::now()));
        guest::upload(&s3);
        let mut variables = target.variables(&s3);
        variables.push(compiled::variable());
        let function = start(&variables).await;
        Self {
            function,
            s3,
            target,
            variables,
            objects: BTreeMap::new(),
        }
    }

    /// Another process on the same bucket and Redis.
    pub(crate) async fn another_function(&self) -> Arc<Function> {
        Arc::new(start(&self.variables).await)
    }

    /// The same by another way: through a port of this machine.
    pub(crate) async fn function_through(&self, port: u16) -> Arc<Function> {
        let mut variables = self.variables.clone();
        variables.push(("REDIS_PORT".to_owned(), port.to_string()));
        Arc::new(start(&variables).await)
    }

    /// Puts an object that yields these Redis keys, all with this value.
    pub(crate) fn put(&mut self, object: &str, keys: &[&str], value: &str) {
        let entries: Vec<(&str, &str)> = keys.iter().map(|key| (*key, value)).collect();
        self.s3.put(object, texts(&entries));
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let entries = entries.into_iter().map(owned).collect();
        self.objects.insert(object.to_owned(), entries);
    }

    pub(crate) fn delete(&mut self, object: &str) {
        self.s3.delete(object);
        self.objects.remove(object);
    }

    /// Puts the object with these Redis keys, or deletes it where there are none to say.
    pub(crate) fn change(&mut self, object: &str, keys: Option<&[&str]>, value: &str) {
        match keys {
            Some(keys) => self.put(object, keys, value),
            None => self.delete(object),
        }
    }

    /// Delivers an event of the object; its outcome, or why it failed.
    pub(crate) async fn deliver(&self, object: &str) -> Result<String, String> {
        outcome_of(self.function.invoke(event::created(BUCKET, object)).await)
    }

    /// Delivers an event of the object, and asserts what comes of it.
    pub(crate) async fn deliver_as(&self, object: &str, expected: &str) {
        assert_eq!(self.deliver(object).await.as_deref(), Ok(expected));
    }

    /// Another process begins with an event of the object.
    pub(crate) fn begin(other: &Arc<Function>, object: &str) -> Delivery {
        let (other, event) = (Arc::clone(other), event::created(BUCKET, object));
        tokio::spawn(async move { outcome_of(other.invoke(event).await) })
    }

    /// Another process has read the object as it is now, and is held up before it goes on.
    pub(crate) async fn read_late(&self, other: &Arc<Function>, object: &str) -> Late {
        self.read_late_for(other, object, object).await
    }

    /// The same where the event is of an object `claimant`, and the one that is read late has a key
    /// that it wants.
    pub(crate) async fn read_late_for(
        &self,
        other: &Arc<Function>,
        object: &str,
        claimant: &str,
    ) -> Late {
        let parked = self.s3.park_answer(Operation::GetObject, object);
        let delivery = Self::begin(other, claimant);
        parked.reached().await;
        Late { parked, delivery }
    }

    /// What Redis holds that the bucket does not mean, and what is kept that should not be, or not.
    pub(crate) async fn differences(&self) -> Vec<String> {
        let mut held = Map::new();
        for entries in self.objects.values() {
            held.extend(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), json!(value))),
            );
        }
        let (expected, held) = (Value::Object(held), self.target.held().await);
        let mut found = Vec::new();
        if held != expected {
            found.push(format!("Redis holds {held}, not {expected}"));
        }
        let objects = self.objects.iter();
        let yields = objects.map(|(key, entries)| (&**key, entries.keys().cloned().collect()));
        let kept = self.target.bookkeeping().await;
        found.extend(kept.differences(&Meaning::of(&self.s3, yields)));
        found.extend(kept.unsettled());
        found
    }

    /// Asserts that Redis holds and keeps what the bucket means, and nothing else; `what` has
    /// happened before.
    pub(crate) async fn assert_equal(&self, what: &str) {
        let found = self.differences().await;
        assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
    }
}

/// An event on its way: its object's outcome, or why that failed.
pub(crate) type Delivery = JoinHandle<Result<String, String>>;

/// A worker that has read an object, and is held up before it goes on.
pub(crate) struct Late {
    parked: Parked,
    delivery: Delivery,
}

impl Late {
    /// Lets it go on to its commit; the outcome of its object, or why that failed.
    pub(crate) async fn commit(self) -> Result<String, String> {
        self.parked.release();
        self.delivery.await.unwrap()
    }
}

async fn start(variables: &[(String, String)]) -> Function {
    let variables = variables.iter().cloned();
    Function::start(program::bootstrap(), variables)
        .await
        .unwrap()
}

fn outcome_of(answer: Result<Value, InvokeError>) -> Result<String, String> {
    match answer {
        Ok(report) => Ok(outcome(&report).to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
