//! What goes wrong on request, and how often each operation was asked for.

use parking_lot::Mutex;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode, S3Result};
use tokio::sync::Semaphore;

/// What a client asks of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as S3 names them")]
pub enum Operation {
    DeleteObject,
    GetObject,
    ListObjectVersions,
    ListObjectsV2,
    PutObject,
}

/// A rule by which requests go wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The operation it strikes.
    pub operation: Operation,
    /// The only key it strikes (of a listing: the prefix), or all.
    pub key: Option<String>,
    /// How many requests it strikes, or all.
    pub times: Option<u32>,
    /// What happens to them.
    pub effect: Effect,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Effect {
    /// It is carried out this much later.
    Delay(Duration),
    /// It is carried out at once, but the answer comes this much later.
    DelayAnswer(Duration),
    /// It fails without being carried out, with this HTTP status and S3's code for it.
    Fail(u16),
    /// It fails without being carried out, with this HTTP status and this code.
    FailWith(u16, &'static str),
    /// The same, in these words.
    FailSaying(u16, &'static str, &'static str),
    /// The connection breaks after this many bytes of a `GetObject`'s body.
    BreakBody(usize),
    /// A `GetObject`'s answer does not say how long the body is.
    Unannounced,
    /// The same, and the body is repeated without end.
    Endless,
    /// A `GetObject`'s answer says that the body has so many bytes, of which none comes.
    Announce(u64),
    /// All but the last byte of a `GetObject`'s body comes, and that is held up: see [`Parked`].
    ParkEnd(Gate),
    /// It waits before it is carried out, or with its answer: see [`Parked`].
    Park(Gate),
}

/// Where a request is held up. Made by [`S3::park`](super::S3::park) and its like.
#[derive(Clone)]
pub struct Gate {
    /// Whether it is carried out before it waits.
    answer: bool,
    /// Has a permit for each request that has arrived.
    arrived: Arc<Semaphore>,
    /// Closed to let all go on.
    held: Arc<Semaphore>,
}

/// A request that is being held up, or will be when it comes. It goes on when this is dropped.
#[derive(Debug)]
pub struct Parked(Gate);

impl Parked {
    /// Waits until the request has come.
    pub async fn reached(&self) {
        if let Ok(permit) = self.0.arrived.acquire().await {
            permit.forget();
        }
    }

    /// Lets it go on.
    pub fn release(self) {}
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.held.close();
    }
}

impl Gate {
    /// A gate, and the means to open it.
    pub(super) fn new(answer: bool) -> (Self, Parked) {
        let gate = Self {
            answer,
            arrived: Arc::new(Semaphore::new(0)),
            held: Arc::new(Semaphore::new(0)),
        };
        (gate.clone(), Parked(gate))
    }

    pub(super) async fn pass(&self) {
        self.arrived.add_permits(1);
        // Nobody adds permits: it ends, with an error, when the gate is opened.
        let _ = self.held.acquire().await;
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.held.is_closed();
        formatter.debug_struct("Gate").field("open", &open).finish()
    }
}

impl Effect {
    /// What comes before the request is carried out.
    pub(super) async fn before(&self) -> S3Result<()> {
        match self {
            Self::Delay(time) => tokio::time::sleep(*time).await,
            Self::Park(gate) if !gate.answer => gate.pass().await,
            Self::Fail(status) => return Err(failure(*status)),
            Self::FailWith(status, code) => {
                return Err(failure_with(*status, S3ErrorCode::Custom((*code).into())));
            }
            Self::FailSaying(status, code, words) => {
                let code = S3ErrorCode::Custom((*code).into());
                let mut error = S3Error::with_message(code, *words);
                error.set_status_code(StatusCode::from_u16(*status).unwrap_or_default());
                return Err(error);
            }
            _ => {}
        }
        Ok(())
    }

    /// What comes after, before the answer goes out.
    pub(super) async fn after(&self) {
        match self {
            Self::DelayAnswer(time) => tokio::time::sleep(*time).await,
            Self::Park(gate) if gate.answer => gate.pass().await,
            _ => {}
        }
    }
}

/// The error that S3 sends with a status.
fn failure(status: u16) -> S3Error {
    let code = match status {
        403 => S3ErrorCode::AccessDenied,
        404 => S3ErrorCode::NoSuchKey,
        429 | 503 => S3ErrorCode::SlowDown,
        _ => S3ErrorCode::InternalError,
    };
    failure_with(status, code)
}

fn failure_with(status: u16, code: S3ErrorCode) -> S3Error {
    let mut error = S3Error::with_message(code, "injected by the test");
    error.set_status_code(StatusCode::from_u16(status).unwrap_or_default());
    error
}

/// The rules in force and the requests so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Rules, the first that fits strikes.
    rules: Mutex<Vec<Fault>>,
    /// How many requests came of each operation and key.
    counts: Mutex<BTreeMap<(Operation, String), usize>>,
}

impl Faults {
    /// Adds a rule.
    pub(super) fn add(&self, fault: Fault) {
        self.rules.lock().push(fault);
    }

    /// Removes all rules.
    pub(super) fn clear(&self) {
        self.rules.lock().clear();
    }

    /// Counts a request and says what is to happen to it.
    pub(super) fn strike(&self, operation: Operation, key: &str) -> Option<Effect> {
        *self
            .counts
            .lock()
            .entry((operation, key.to_owned()))
            .or_default() += 1;
        let mut rules = self.rules.lock();
        let position = rules.iter().position(|rule| rule.fits(operation, key))?;
        let rule = rules.get_mut(position)?;
        let effect = rule.effect.clone();
        if let Some(times) = &mut rule.times {
            *times = times.saturating_sub(1);
        }
        rules.retain(|rule| rule.times != Some(0));
        Some(effect)
    }

    /// How many requests came of an operation, for one key or for all.
    pub(super) fn count(&self, operation: Operation, key: Option<&str>) -> usize {
        let counts = self.counts.lock();
        counts
            .iter()
            .filter(|((counted, of), _)| {
                *counted == operation && key.is_none_or(|key| key == of.as_str())
            })
            .map(|(_, count)| count)
            .sum()
    }

    /// Counts from zero again.
    pub(super) fn reset_counts(&self) {
        self.counts.lock().clear();
    }
}

impl Fault {
    fn fits(&self, operation: Operation, key: &str) -> bool {
        self.times != Some(0)
            && self.operation == operation
            && self.key.as_deref().is_none_or(|wanted| wanted == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(key: Option<&str>, times: Option<u32>) -> Fault {
        Fault {
            operation: Operation::GetObject,
            key: key.map(str::to_owned),
            times,
            effect: Effect::Fail(503),
        }
    }

    #[test]
    fn a_rule_strikes_as_often_as_it_says() {
        let faults = Faults::default();
        faults.add(fail(Some("a"), Some(2)));
        let struck = |key| faults.strike(Operation::GetObject, key).is_some();
        assert!(struck("a") && !struck("b") && struck("a") && !struck("a"));
        assert!(faults.strike(Operation::PutObject, "a").is_none());
    }

    #[test]
    fn requests_are_counted_by_operation_and_key() {
        let faults = Faults::default();
        for key in ["a", "b", "a"] {
            faults.strike(Operation::GetObject, key);
        }
        assert_eq!(faults.count(Operation::GetObject, None), 3);
        assert_eq!(faults.count(Operation::GetObject, Some("a")), 2);
        assert_eq!(faults.count(Operation::PutObject, None), 0);
    }

    #[tokio::test]
    async fn a_parked_request_goes_on_when_it_is_released() {
        let (gate, parked) = Gate::new(false);
        let request = tokio::spawn(async move { Effect::Park(gate).before().await.is_ok() });
        parked.reached().await;
        assert!(!request.is_finished());
        parked.release();
        assert!(request.await.expect("it does not panic"));
    }
}
