//! A gate before every server: each request of each host waits here until whoever plays a history
//! lets it through, or has it lost.
//!
//! While all hosts wait, nothing happens. So the order in which requests reach S3 and Redis is the
//! order in which they are let through, whatever the machine is doing besides; and between two of them
//! anything may happen: a host dies, a server loses what it has, a request of long ago arrives again.

mod request;
mod way;

use anyhow::Result;
use parking_lot::Mutex;
use redis_sync_local::Redis;
use request::Scripts;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// How long a host may take from an answer to its next request; one that takes longer is pausing
/// before it tries again, and is not waited for.
const PATIENCE: Duration = Duration::from_millis(40);

/// How often everything else that is ready on the runtime is let run before all hosts are taken to
/// wait.
const YIELDS: usize = 12;

/// Doors to servers, one for each host and server.
pub struct Gate {
    shared: Arc<Shared>,
    doors: Vec<JoinHandle<()>>,
}

/// What is beyond a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// Redis, with its port.
    Redis(u16),
    /// S3, or anything else that speaks HTTP.
    Http(SocketAddr),
}

/// What all connections share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something has come or gone.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Whether everything is let through at once.
    is_open: bool,
    /// Connections by their numbers.
    ways: BTreeMap<u64, Way>,
    /// How many connections there were.
    connections: u64,
    /// Requests that were let through and are not answered.
    in_flight: usize,
    /// The scripts that Redis was given.
    scripts: Scripts,
    /// Requests that reached Redis, or were on their way there.
    past: Vec<(u16, Vec<u8>)>,
    /// The ports of the doors to Redis, by host and the port beyond.
    ports: BTreeMap<(usize, u16), u16>,
    /// By how many seconds the clock of a Redis is ahead, by its port.
    clocks: BTreeMap<u16, i64>,
}

/// One connection of a host.
struct Way {
    host: usize,
    server: Server,
    /// Requests that wait, in order.
    requests: VecDeque<Vec<u8>>,
    /// What to do with the first of them.
    orders: mpsc::UnboundedSender<Fate>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out and answered.
    Pass,
    /// It is carried out; its connection breaks before the answer.
    AnswerLost,
    /// Its connection breaks before it arrives.
    Lost,
}

/// The first request that waits on a connection.
#[derive(Clone, Debug)]
pub struct Waiting {
    connection: u64,
    /// Who sends it.
    pub host: usize,
    /// Whether it is to Redis.
    pub to_redis: bool,
    /// How it begins, for messages.
    pub text: String,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A gate without doors.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::default(),
            doors: Vec::new(),
        }
    }

    /// Opens a door to each of these servers for a host; the port of the first.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn redis(&mut self, host: usize, servers: &[Redis]) -> Result<u16> {
        let mut ports = Vec::new();
        for server in servers {
            let address = self.door(host, Server::Redis(server.port())).await?;
            let port = address.port();
            ports.push(port);
            let mut state = self.shared.state.lock();
            state.ports.insert((host, server.port()), port);
        }
        Ok(ports.first().copied().unwrap_or_default())
    }

    /// Opens a door to a server that speaks HTTP for a host; the URL.
    ///
    /// # Errors
    ///
    /// No port is free, or that is no URL of an address.
    pub async fn http(&mut self, host: usize, url: &str) -> Result<String> {
        let address = url.trim_start_matches("http://").parse()?;
        let door = self.door(host, Server::Http(address)).await?;
        Ok(format!("http://{door}"))
    }

    async fn door(&mut self, host: usize, server: Server) -> Result<SocketAddr> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::clone(&self.shared);
        self.doors.push(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { way::carry(client, host, server, &shared).await });
            }
        }));
        Ok(address)
    }

    /// Lets everything through from now on, also what waits; or nothing any more.
    pub fn open(&self, is_open: bool) {
        let mut state = self.shared.state.lock();
        state.is_open = is_open;
        if is_open {
            for way in state.ways.values() {
                for _ in &way.requests {
                    // An error: the connection has ended.
                    let _ = way.orders.send(Fate::Pass);
                }
            }
        }
    }

    /// Forgets what was sent before, and sets all clocks right.
    pub fn forget(&self) {
        let mut state = self.shared.state.lock();
        state.past.clear();
        state.clocks.clear();
    }

    /// Says that a host has done something that no request shows.
    pub fn nudge(&self) -> impl Fn() + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.changed.notify_waiters()
    }

    /// Waits until all hosts wait, of which so many are at work.
    pub async fn settled(&self, at_work: impl Fn() -> usize) {
        loop {
            let changed = self.shared.changed.notified();
            if self.all_wait(at_work()) {
                let before = self.shared.state.lock().waiting();
                for _ in 0..YIELDS {
                    tokio::task::yield_now().await;
                }
                if self.all_wait(at_work()) && self.shared.state.lock().waiting() == before {
                    return;
                }
            } else if tokio::time::timeout(PATIENCE, changed).await.is_err()
                && self.shared.state.lock().in_flight == 0
            {
                return;
            }
        }
    }

    fn all_wait(&self, at_work: usize) -> bool {
        let state = self.shared.state.lock();
        state.in_flight == 0 && state.waiting() >= at_work
    }

    /// The first request of each connection, the oldest connection first.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let state = self.shared.state.lock();
        let first = |(number, way): (&u64, &Way)| {
            let request = way.requests.front()?;
            Some(Waiting {
                connection: *number,
                host: way.host,
                to_redis: matches!(way.server, Server::Redis(_)),
                text: request::text(request),
            })
        };
        state.ways.iter().filter_map(first).collect()
    }

    /// Decides what becomes of a request that waits.
    pub fn decide(&self, request: &Waiting, fate: Fate) {
        let state = self.shared.state.lock();
        if let Some(way) = state.ways.get(&request.connection) {
            // An error: the connection has ended.
            let _ = way.orders.send(fate);
        }
    }

    /// Breaks all connections of a host. What it has sent may still arrive, by [`again`](Self::again).
    pub fn cut(&self, host: usize) {
        self.shared.state.lock().cut(|way| way.host == host);
    }

    /// Breaks all connections to a Redis.
    pub fn cut_to(&self, redis: &Redis) {
        let server = Server::Redis(redis.port());
        self.shared.state.lock().cut(|way| way.server == server);
    }

    /// How many requests to Redis there were.
    #[must_use]
    pub fn past(&self) -> usize {
        self.shared.state.lock().past.len()
    }

    /// Has a request to Redis of before arrive, once more or at last; nobody hears the answer.
    ///
    /// # Errors
    ///
    /// Redis is not there.
    pub async fn again(&self, place: usize) -> Result<()> {
        let past = self.shared.state.lock().past.get(place).cloned();
        if let Some((port, request)) = past {
            way::send_alone(port, &request).await?;
        }
        Ok(())
    }

    /// Sets the clock of a Redis so many seconds ahead, as far as scripts ask for it.
    pub fn set_clock(&self, redis: &Redis, ahead: i64) {
        self.shared.state.lock().clocks.insert(redis.port(), ahead);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        for door in &self.doors {
            door.abort();
        }
        self.shared.state.lock().cut(|_| true);
    }
}

impl State {
    /// How many requests wait.
    fn waiting(&self) -> usize {
        self.ways.values().map(|way| way.requests.len()).sum()
    }

    fn cut(&mut self, which: impl Fn(&Way) -> bool) {
        let past = &mut self.past;
        self.ways.retain(|_, way| {
            let is_cut = which(way);
            if let (true, Server::Redis(port)) = (is_cut, way.server) {
                past.extend(way.requests.drain(..).map(|request| (port, request)));
            }
            !is_cut
        });
    }
}
