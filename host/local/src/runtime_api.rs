//! The Lambda Runtime API, which hands invocations to a function and takes its answers.
//!
//! `next` waits until there is an invocation: release builds of `lambda_runtime` take any other
//! answer for one. Several workers of a function may wait at once.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::timeout,
};

use crate::server::Server;

/// What all paths begin with.
const VERSION: &str = "/2018-06-01/runtime";

/// Echoed with an answer, so that the late answer of an earlier attempt is told from a current one.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";

/// The function that events are said to be for.
const FUNCTION_ARN: &str = "arn:aws:lambda:eu-west-2:000000000000:function:redis-sync";

/// Why an invocation has no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The function answered with an error.
    #[error("{error_type}: {error_message}")]
    Failed {
        /// The name of the error.
        error_type: String,
        /// What it says.
        error_message: String,
    },
    /// The function did not answer before its deadline. It may still be at it: AWS would kill it.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The process has ended.
    #[error("the function ended with {status}:\n{output}")]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// Its last lines of output.
        output: String,
    },
}

/// A Runtime API for one function. It is gone when it is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    /// Invocations on their way.
    state: Arc<State>,
    /// Serves as long as it is there.
    server: Server,
}

/// Invocations on their way.
#[derive(Debug, Default)]
struct State {
    /// Those that no worker has fetched, the oldest first.
    queued: Mutex<VecDeque<Invocation>>,
    /// Wakes one waiting worker for each invocation that is queued.
    queued_one: Notify,
    /// Where the answers of those that are not yet answered go, by request id.
    unanswered: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    /// The number of invocations so far.
    invocations: AtomicU64,
    /// Whether a worker has asked for an invocation.
    polled: watch::Sender<bool>,
    /// The error document of an initialisation that failed.
    init_error: Mutex<Option<Value>>,
}

/// What a function answers: a document, or an error.
type Answer = Result<Value, InvokeError>;

/// An invocation that no worker has fetched.
#[derive(Debug)]
struct Invocation {
    /// The request id.
    id: String,
    /// The event.
    payload: Bytes,
    /// How long the function has, from when it is fetched.
    timeout: Duration,
    /// Told when it is fetched.
    fetched: oneshot::Sender<()>,
}

impl RuntimeApi {
    /// Starts a Runtime API without invocations.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(State::default());
        let server = Server::with_state(&state, answer).await?;
        Ok(Self { state, server })
    }

    /// Host and port for `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Invokes the function and waits for its answer. `limit` is the time that it has, and the time
    /// that it may leave the invocation waiting before.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Failed`] and [`InvokeError::TimedOut`].
    pub async fn invoke(&self, payload: impl Into<Bytes>, limit: Duration) -> Answer {
        let number = self.state.invocations.fetch_add(1, Ordering::Relaxed);
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let (answered, answer) = oneshot::channel();
        let (fetched, was_fetched) = oneshot::channel();
        self.state.unanswered.lock().insert(id.clone(), answered);
        let _forget = Forget {
            state: &self.state,
            id: &id,
        };
        self.state.queued.lock().push_back(Invocation {
            id: id.clone(),
            payload: payload.into(),
            timeout: limit,
            fetched,
        });
        self.state.queued_one.notify_one();

        let timed_out = |_| InvokeError::TimedOut(limit);
        // An error of a channel: the invocation was forgotten, which only happens below.
        let _ = timeout(limit, was_fetched).await.map_err(timed_out)?;
        match timeout(limit, answer).await.map_err(timed_out)? {
            Ok(answer) => answer,
            Err(_) => Err(InvokeError::TimedOut(limit)),
        }
    }

    /// Waits until the function first asks for an invocation.
    pub async fn polled(&self) {
        // An error: the sender is gone, but `self` holds it.
        let _ = self
            .state
            .polled
            .subscribe()
            .wait_for(|polled| *polled)
            .await;
    }

    /// The error document with which the function gave up its start, if it did.
    #[must_use]
    pub fn init_error(&self) -> Option<Value> {
        self.state.init_error.lock().clone()
    }
}

/// Forgets an invocation that nobody waits for any longer.
struct Forget<'a> {
    state: &'a State,
    id: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.state.unanswered.lock().remove(self.id);
        self.state
            .queued
            .lock()
            .retain(|invocation| invocation.id != self.id);
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return rejected(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let path = parts.uri.path().strip_prefix(VERSION).unwrap_or_default();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(&state).await,
        (&Method::POST, ["invocation", id, "response"]) => match serde_json::from_slice(&body) {
            Ok(answer) => take(&state, id, &parts.headers, Ok(answer)),
            Err(error) => rejected(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        (&Method::POST, ["invocation", id, "error"]) => {
            take(&state, id, &parts.headers, Err(failed(&body)))
        }
        (&Method::POST, ["init", "error"]) => {
            let document = serde_json::from_slice(&body).unwrap_or_default();
            *state.init_error.lock() = Some(document);
            accepted()
        }
        _ => rejected(StatusCode::NOT_FOUND, parts.uri.path()),
    }
}

/// Waits for an invocation and hands it out.
async fn next(state: &State) -> Response<Full<Bytes>> {
    state.polled.send_replace(true);
    loop {
        // Bound here: the lock must not be held while waiting.
        let queued = state.queued.lock().pop_front();
        if let Some(invocation) = queued {
            return handed_out(invocation);
        }
        state.queued_one.notified().await;
    }
}

fn handed_out(invocation: Invocation) -> Response<Full<Bytes>> {
    let deadline = SystemTime::now() + invocation.timeout;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Nobody waits any longer: the function works for nothing, as on AWS.
    let _ = invocation.fetched.send(());
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", &invocation.id)
        .header(INVOCATION_ID, &invocation.id)
        .header(
            "lambda-runtime-deadline-ms",
            deadline.as_millis().to_string(),
        )
        .header("lambda-runtime-invoked-function-arn", FUNCTION_ARN)
        .header(
            "lambda-runtime-trace-id",
            "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
        )
        .body(Full::new(invocation.payload));
    response.unwrap_or_else(|error| rejected(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
}

/// Takes an answer, or refuses it where nobody waits for it: it is late, or was given before.
fn take(state: &State, id: &str, headers: &HeaderMap, answer: Answer) -> Response<Full<Bytes>> {
    let echoed = headers.get(INVOCATION_ID);
    let waiting = match echoed.is_none_or(|echoed| echoed == id) {
        true => state.unanswered.lock().remove(id),
        false => None,
    };
    match waiting.and_then(|waiting| waiting.send(answer).ok()) {
        Some(()) => accepted(),
        None => rejected(StatusCode::GONE, "nobody waits for this answer"),
    }
}

fn failed(document: &[u8]) -> InvokeError {
    let document: Value = serde_json::from_slice(document).unwrap_or_default();
    let field = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    InvokeError::Failed {
        error_type: field("errorType"),
        error_message: field("errorMessage"),
    }
}

fn accepted() -> Response<Full<Bytes>> {
    document(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn rejected(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let error = json!({ "errorType": "InvalidRequest", "errorMessage": message });
    document(status, &error)
}

fn document(status: StatusCode, document: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(document.to_string()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
