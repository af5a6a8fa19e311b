//! One connection.

use super::request::{is, sets_up};
use super::{Fate, Server, Shared, State, Way};
use crate::frame::{Frames, Protocol};
use anyhow::Result;
use std::collections::VecDeque;
use std::mem;
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
    SettingUp(Vec<u8>),
}

/// Carries one connection until it ends, or is cut.
pub(super) async fn carry(client: TcpStream, host: usize, server: Server, shared: &Arc<Shared>) {
    let (orders, received) = mpsc::unbounded_channel();
    let number = shared.state.lock().add(Way {
        host,
        server,
        requests: VecDeque::new(),
        orders,
    });
    let mut sent = VecDeque::new();
    // An error: one side has gone, as connections do.
    let _ = exchange(client, number, host, server, shared, received, &mut sent).await;
    let mut state = shared.state.lock();
    let passed = |sent: &&Sent| !matches!(sent, Sent::SettingUp(_));
    state.in_flight -= sent.iter().filter(passed).count();
    state.cut_one(number);
    drop(state);
    shared.changed.notify_waiters();
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
                let answer = answer?;
                match sent.pop_front() {
                    Some(Sent::AnswerLost) => {
                        sent.push_front(Sent::AnswerLost);
                        return Ok(());
                    }
                    Some(Sent::Passed) => {
                        to_client.write_all(&shared.with_doors(&answer, host, false)).await?;
                        shared.state.lock().in_flight -= 1;
                        shared.changed.notify_waiters();
                    }
                    Some(Sent::SettingUp(request)) => {
                        if is(&request, "SCRIPT") {
                            shared.state.lock().scripts.loaded(&request, &answer);
                        }
                        let told = is(&request, "CLUSTER");
                        to_client.write_all(&shared.with_doors(&answer, host, told)).await?;
                    }
                    // More of an answer over HTTP.
                    None => to_client.write_all(&answer).await?,
                }
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
                let request = request?;
                if protocol == Protocol::Redis && sets_up(&request) {
                    to_server.write_all(&request).await?;
                    sent.push_back(Sent::SettingUp(request));
                } else {
                    shared.state.lock().wait(number, request);
                    shared.changed.notify_waiters();
                }
            }
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
    /// An answer of Redis in which the doors stand for the servers: where it tells of the cluster, or
    /// sends a client elsewhere.
    fn with_doors(&self, answer: &[u8], host: usize, told: bool) -> Vec<u8> {
        let moved = answer.starts_with(b"-MOVED ") || answer.starts_with(b"-ASK ");
        if !told && !moved {
            return answer.to_vec();
        }
        let mut text = String::from_utf8_lossy(answer).into_owned();
        for ((of, port), door) in &self.state.lock().ports {
            if *of == host {
                text = text.replace(&format!(":{port}\r\n"), &format!(":{door}\r\n"));
            }
        }
        text.into_bytes()
    }
}

impl State {
    fn add(&mut self, way: Way) -> u64 {
        self.connections += 1;
        self.ways.insert(self.connections, way);
        self.connections
    }

    /// Notes that a request waits.
    fn wait(&mut self, number: u64, request: Vec<u8>) {
        let is_open = self.is_open;
        if let Some(way) = self.ways.get_mut(&number) {
            way.requests.push_back(request);
            if is_open {
                // An error: the connection has ended.
                let _ = way.orders.send(Fate::Pass);
            }
        }
    }

    /// Takes the first request of a connection, as it is to be sent.
    fn take(&mut self, number: u64, fate: Fate) -> Option<Vec<u8>> {
        let way = self.ways.get_mut(&number)?;
        let mut request = way.requests.pop_front()?;
        if let Server::Redis(port) = way.server {
            let ahead = self.clocks.get(&port).copied().unwrap_or_default();
            if let Some(other) = self.scripts.as_played(&request, ahead) {
                request = other;
            }
            self.past.push((port, request.clone()));
        }
        self.in_flight += usize::from(fate != Fate::Lost);
        Some(request)
    }

    fn cut_one(&mut self, number: u64) {
        if let Some(mut way) = self.ways.remove(&number)
            && let Server::Redis(port) = way.server
        {
            let late = mem::take(&mut way.requests);
            self.past
                .extend(late.into_iter().map(|request| (port, request)));
        }
    }
}
