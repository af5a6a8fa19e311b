//! A gate before every server: each request of each host waits here until whoever plays a history
//! lets it through, or has it lost.
//!
//! While all hosts wait, nothing happens. So the order in which requests reach S3 and Redis is the
//! order in which they are let through, whatever the machine is doing besides; and between two of them
//! anything may happen: a host dies, a server loses what it has, a request of long ago arrives again.

mod quiet;
mod request;
mod way;

pub use quiet::Quiet;

use anyhow::Result;
use parking_lot::Mutex;
use redis_sync_local::Redis;
use request::{Request, Scripts};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// How long a host whose connection broke may pause before it tries again, and be waited for.
const PATIENCE: Duration = Duration::from_millis(60);

/// How often in a row everything must have been quiet before all hosts are taken to wait: until a
/// connection that a host makes is seen here, two of them may pass.
const TURNS: usize = 4;

/// Doors to servers, one for each host and server.
pub struct Gate {
    quiet: Quiet,
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
    /// Requests that were sent on and are not answered.
    in_flight: usize,
    /// How often something has come or gone.
    changes: u64,
    /// Until when hosts may pause before they send once more what has had no answer.
    pausing: Option<Instant>,
    /// How many scripts Redis was to call.
    calls: usize,
    /// The scripts that Redis was given.
    scripts: Scripts,
    /// Requests to change something that reached Redis, or were on their way there.
    past: Vec<(u16, Vec<u8>)>,
    /// What these name.
    named: HashSet<Vec<u8>>,
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
    requests: VecDeque<Request>,
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

impl Gate {
    /// A gate without doors, for hosts on this runtime.
    #[must_use]
    pub fn new(quiet: Quiet) -> Self {
        Self {
            quiet,
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
            state.ways.values().for_each(Way::pass_all);
        }
    }

    /// Forgets what was sent before, and sets all clocks right.
    pub fn forget(&self) {
        let mut state = self.shared.state.lock();
        state.calls = 0;
        state.past.clear();
        state.named.clear();
        state.clocks.clear();
    }

    /// Says that a host has done something that no request shows.
    pub fn nudge(&self) -> impl Fn() + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.change(|_| ())
    }

    /// Waits until all hosts wait: for what is at the gate, for each other, or for a long pause to end.
    /// `others_are_quiet` says so of what computes elsewhere.
    pub async fn settled(&self, others_are_quiet: impl Fn() -> bool) {
        let (mut turns, mut threads_were_quiet, mut seen) = (0, false, None);
        loop {
            let changed = self.shared.changed.notified();
            let (in_flight, changes, pausing) = {
                let state = self.shared.state.lock();
                (state.in_flight, state.changes, state.pausing)
            };
            if seen.replace(changes) != Some(changes) {
                (turns, threads_were_quiet) = (0, false);
            }
            if in_flight > 0 {
                changed.await;
            } else if turns < TURNS {
                turns += 1;
                self.quiet.turn().await;
            } else if !self.quiet.is_quiet() || !others_are_quiet() {
                (turns, threads_were_quiet) = (0, false);
                std::thread::yield_now();
            } else if !threads_were_quiet {
                // What they had ready may have been seen by none of the turns.
                (turns, threads_were_quiet) = (0, true);
            } else if let Some(end) = pausing {
                if tokio::time::timeout_at(end.into(), changed).await.is_err() {
                    self.shared.state.lock().pausing = None;
                }
            } else {
                return;
            }
        }
    }

    /// Waits until something comes or goes.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
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
                text: request::text(&request.bytes),
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
        let mut state = self.shared.state.lock();
        state.cut(|way| way.server == server);
        state.may_pause();
    }

    /// How many requests to change something in Redis there were.
    #[must_use]
    pub fn past(&self) -> usize {
        self.shared.state.lock().past.len()
    }

    /// Has one of them arrive, once more or at last; nobody hears the answer.
    ///
    /// # Errors
    ///
    /// Redis is not there.
    pub async fn again(&self, place: usize) -> Result<()> {
        let past = self.shared.state.lock().past.get(place).cloned();
        if let Some((port, request)) = past {
            self.shared.state.lock().calls += usize::from(request::is_call(&request));
            way::send_alone(port, &request).await?;
        }
        Ok(())
    }

    /// How many calls of scripts were let through, or sent again. Redis has had no more of them, unless a host
    /// knows a way around the gate.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.state.lock().calls
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

impl Shared {
    /// Changes what there is, and says so.
    fn change<T>(&self, how: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        state.changes += 1;
        let changed = how(&mut state);
        drop(state);
        self.changed.notify_waiters();
        changed
    }
}

impl State {
    /// Hosts have lost a connection.
    fn may_pause(&mut self) {
        self.pausing = Some(Instant::now() + PATIENCE);
    }

    fn cut(&mut self, which: impl Fn(&Way) -> bool) {
        let which: Vec<u64> = self
            .ways
            .iter()
            .filter_map(|(number, way)| which(way).then_some(*number))
            .collect();
        for number in which {
            self.cut_one(number);
        }
    }
}

#[cfg(test)]
mod tests;
