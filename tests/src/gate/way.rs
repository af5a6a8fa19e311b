//! One connection.

use super::request::{Request, is, is_call, is_step, names, reads};
use super::{Fate, Server, Shared, State, Way};
use crate::frame::{Frames, Protocol};
use anyhow::Result;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::iter;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// A request that was sent on.
enum Sent {
    /// It was let through.
    Passed,
    /// Its answer is to be lost.
    AnswerLost,
    /// It is none of a history's steps.
    Aside(Vec<u8>),
}

/// Carries one connection until it ends, or is cut.
pub(super) async fn carry(client: TcpStream, host: usize, server: Server, shared: &Arc<Shared>) {
    let (orders, received) = mpsc::unbounded_channel();
    let way = Way {
        host,
        server,
        requests: VecDeque::new(),
        orders,
    };
    let number = shared.change(|state| state.add(way));
    let mut sent = VecDeque::new();
    // An error: one side has gone, as connections do.
    let _ = exchange(client, number, host, server, shared, received, &mut sent).await;
    shared.change(|state| {
        state.in_flight -= sent.len();
        state.cut_one(number);
    });
}

async fn exchange(
    client: TcpStream,
    number: u64,
    host: usize,
    server: Server,
    shared: &Arc<Shared>,
    mut orders: mpsc::UnboundedReceiver<Fate>,
    sent: &mut VecDeque<Sent>,
) -> Result<()> {
    let (beyond, protocol) = match server {
        Server::Redis(port) => (
            TcpStream::connect(("127.0.0.1", port)).await?,
            Protocol::Redis,
        ),
        Server::Http(address) => (TcpStream::connect(address).await?, Protocol::Http),
    };
    client.set_nodelay(true)?;
    beyond.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = beyond.into_split();
    let mut requests = Frames::of_requests(from_client, protocol);
    let mut answers = Frames::of_answers(from_server, protocol);
    loop {
        tokio::select! {
            biased;
            answer = answers.next() => {
                let mut all = vec![answer?];
                all.extend(iter::from_fn(|| answers.ready()));
                to_client.write_all(&shared.as_heard(&all, sent, host)).await?;
                let answered = all.len().min(sent.len());
                if sent.range(..answered).any(|sent| matches!(sent, Sent::AnswerLost)) {
                    return Ok(());
                }
                sent.drain(..answered);
                shared.change(|state| state.in_flight -= answered);
            }
            order = orders.recv() => {
                let Some(fate) = order else { return Ok(()) };
                let Some(request) = shared.state.lock().take(number, fate) else { continue };
                if fate == Fate::Lost {
                    return Ok(());
                }
                sent.push_back(if fate == Fate::Pass { Sent::Passed } else { Sent::AnswerLost });
                to_server.write_all(&request).await?;
            }
            request = requests.next() => {
                let mut all = vec![request?];
                all.extend(iter::from_fn(|| requests.ready()));
                shared.change(|state| all.into_iter().for_each(|one| state.wait(number, one)));
            }
        }
        // Bound here: the lock must not be held while waiting.
        let aside = shared.state.lock().take_aside(number);
        if !aside.is_empty() {
            let requests = aside.concat();
            sent.extend(aside.into_iter().map(Sent::Aside));
            to_server.write_all(&requests).await?;
        }
    }
}

/// Sends a request to Redis on a connection of its own, and waits for the answer.
pub(super) async fn send_alone(port: u16, request: &[u8]) -> Result<()> {
    let connection = TcpStream::connect(("127.0.0.1", port)).await?;
    let (from_server, mut to_server) = connection.into_split();
    to_server.write_all(request).await?;
    Frames::of_answers(from_server, Protocol::Redis)
        .next()
        .await?;
    Ok(())
}

impl Shared {
    /// Answers to the first of these requests, as a host is to hear them: up to the first that is to be lost.
    fn as_heard(&self, answers: &[Vec<u8>], sent: &VecDeque<Sent>, host: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut requests = sent.iter();
        for answer in answers {
            let mut told = false;
            match requests.next() {
                Some(Sent::AnswerLost) => break,
                Some(Sent::Aside(request)) => {
                    if is(request, "SCRIPT") {
                        self.state.lock().scripts.loaded(request, answer);
                    }
                    told = is(request, "CLUSTER");
                }
                // None: more of an answer over HTTP.
                Some(Sent::Passed) | None => {}
            }
            heard.extend_from_slice(&self.with_doors(answer, host, told));
        }
        heard
    }

    /// An answer of Redis in which the doors stand for the servers: where it tells of the cluster, or
    /// sends a client elsewhere.
    fn with_doors<'a>(&self, answer: &'a [u8], host: usize, told: bool) -> Cow<'a, [u8]> {
        let moved = answer.starts_with(b"-MOVED ") || answer.starts_with(b"-ASK ");
        if !told && !moved {
            return answer.into();
        }
        let mut text = String::from_utf8_lossy(answer).into_owned();
        for ((of, port), door) in &self.state.lock().ports {
            if *of == host {
                text = text.replace(&format!(":{port}\r\n"), &format!(":{door}\r\n"));
            }
        }
        text.into_bytes().into()
    }
}

impl Way {
    /// Lets all through that waits.
    pub(super) fn pass_all(&self) {
        for _ in self.requests.iter().filter(|request| request.is_step) {
            // An error: the connection has ended.
            let _ = self.orders.send(Fate::Pass);
        }
    }
}

impl State {
    fn add(&mut self, way: Way) -> u64 {
        self.connections += 1;
        self.ways.insert(self.connections, way);
        self.connections
    }

    /// Notes that a request waits.
    fn wait(&mut self, number: u64, bytes: Vec<u8>) {
        let is_open = self.is_open;
        if let Some(way) = self.ways.get_mut(&number) {
            let is_step = match way.server {
                Server::Redis(_) => is_step(&bytes, &self.named),
                Server::Http(_) => true,
            };
            way.requests.push_back(Request { bytes, is_step });
            if is_open && is_step {
                // An error: the connection has ended.
                let _ = way.orders.send(Fate::Pass);
            }
        }
    }

    /// Takes the first request of a connection, as it is to be sent.
    fn take(&mut self, number: u64, fate: Fate) -> Option<Vec<u8>> {
        let way = self.ways.get_mut(&number)?;
        let mut request = way.requests.pop_front()?.bytes;
        if let Server::Redis(port) = way.server {
            let ahead = self.clocks.get(&port).copied().unwrap_or_default();
            if let Some(other) = self.scripts.as_played(&request, ahead) {
                request = other;
            }
            self.calls += usize::from(fate != Fate::Lost && is_call(&request));
            self.note(port, request.clone());
        }
        match fate {
            Fate::Pass => self.in_flight += 1,
            Fate::AnswerLost => {
                self.in_flight += 1;
                self.may_pause();
            }
            Fate::Lost => self.may_pause(),
        }
        Some(request)
    }

    /// Takes the first requests of a connection that are none of a history's steps: they do not wait,
    /// except for those before them.
    fn take_aside(&mut self, number: u64) -> Vec<Vec<u8>> {
        let Some(way) = self.ways.get_mut(&number) else {
            return Vec::new();
        };
        let next = || way.requests.pop_front_if(|request| !request.is_step);
        let aside: Vec<_> = iter::from_fn(next).map(|request| request.bytes).collect();
        self.in_flight += aside.len();
        aside
    }

    /// Notes what may arrive once more, or at last.
    fn note(&mut self, port: u16, request: Vec<u8>) {
        if !reads(&request) {
            self.named.extend(names(&request).map(<[u8]>::to_vec));
            self.past.push((port, request));
        }
    }

    /// A connection has ended, or is to.
    pub(super) fn cut_one(&mut self, number: u64) {
        if let Some(way) = self.ways.remove(&number)
            && let Server::Redis(port) = way.server
        {
            for request in way.requests.into_iter().filter(|request| request.is_step) {
                self.note(port, request.bytes);
            }
        }
    }
}
