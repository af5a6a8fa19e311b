//! Proxies before Redis that let so many calls of scripts through and hold up the next one, so that
//! whoever makes them can be killed or overtaken at exactly that step.

use crate::frame::{Frames, Protocol};
use anyhow::{Context, Result, ensure};
use redis_sync_local::{Redis, RedisCluster};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long the nodes may take to tell each other of the proxies.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often they are asked.
const POLL: Duration = Duration::from_millis(20);

/// Proxies before a server, or before all primaries of a cluster. They end when this is dropped.
pub struct Turnstile {
    ports: Vec<u16>,
    calls: watch::Sender<Calls>,
    tasks: Vec<JoinHandle<()>>,
}

/// The calls of scripts so far.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    /// How many may pass.
    limit: usize,
    /// How many have passed.
    passed: usize,
    /// How many of those have been answered.
    answered: usize,
    /// Connections on which one is held up.
    held: usize,
    /// How often connections have been cut.
    cuts: usize,
}

impl Turnstile {
    /// Sets up proxies that let everything through, before a cluster that from now on tells its clients
    /// to come this way.
    ///
    /// # Errors
    ///
    /// No port is free, or the nodes do not take notice.
    pub async fn before(cluster: &RedisCluster) -> Result<Self> {
        let turnstile = Self::before_each(cluster.primaries()).await?;
        turnstile.announce(cluster).await?;
        Ok(turnstile)
    }

    /// Sets up a proxy before each of these servers that lets everything through.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn before_each(servers: &[Redis]) -> Result<Self> {
        let open = Calls {
            limit: usize::MAX,
            ..Calls::default()
        };
        let mut turnstile = Self {
            ports: Vec::new(),
            calls: watch::Sender::new(open),
            tasks: Vec::new(),
        };
        for server in servers {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            turnstile.ports.push(listener.local_addr()?.port());
            let served = serve(listener, server.port(), turnstile.calls.clone());
            turnstile.tasks.push(tokio::spawn(served));
        }
        Ok(turnstile)
    }

    /// Has the nodes send clients this way: those that connect from now on. It is so at the start.
    ///
    /// # Errors
    ///
    /// The nodes do not take notice.
    pub async fn announce(&self, cluster: &RedisCluster) -> Result<()> {
        for (node, port) in cluster.primaries().iter().zip(&self.ports) {
            let announce = ["CONFIG", "SET", "cluster-announce-port", &port.to_string()];
            node.command(&announce).await?;
        }
        for node in cluster.primaries() {
            self.known_to(node).await?;
        }
        Ok(())
    }

    /// The port before the first server, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.ports.first().copied().unwrap_or_default()
    }

    /// Lets the next `count` calls through, those that are held up first, and holds up all that comes
    /// after them on their connections.
    pub fn let_through(&self, count: usize) {
        self.calls.send_modify(|calls| {
            *calls = Calls {
                limit: count,
                held: calls.held,
                cuts: calls.cuts,
                ..Calls::default()
            };
        });
    }

    /// Lets everything through again, also what is held up.
    pub fn open(&self) {
        self.calls.send_modify(|calls| calls.limit = usize::MAX);
    }

    /// Cuts the connections of all clients with what is held up on them, and lets new ones through.
    pub fn cut(&self) {
        self.calls.send_modify(|calls| {
            *calls = Calls {
                limit: usize::MAX,
                cuts: calls.cuts + 1,
                ..Calls::default()
            };
        });
    }

    /// Waits until a call is held up, and all that may pass have passed and been answered.
    pub async fn holds_one(&self) {
        let holds = |calls: &Calls| {
            calls.held > 0 && calls.passed >= calls.limit && calls.answered >= calls.passed
        };
        // An error: the sender is gone, but `self` holds it.
        let _ = self.calls.subscribe().wait_for(holds).await;
    }

    /// Waits until a node sends its clients this way.
    async fn known_to(&self, node: &Redis) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let known = node.command(&["CLUSTER", "NODES"]).await?;
            let is_known = |port| known.contains(&format!("127.0.0.1:{port}@"));
            if self.ports.iter().all(is_known) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "no node tells of it: {known}");
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Turnstile {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn serve(listener: TcpListener, port: u16, calls: watch::Sender<Calls>) {
    while let Ok((client, _)) = listener.accept().await {
        let calls = calls.clone();
        tokio::spawn(async move {
            // An error: one side has gone, as connections do.
            let _ = carry(client, port, &calls).await;
        });
    }
}

async fn carry(client: TcpStream, port: u16, calls: &watch::Sender<Calls>) -> Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut changes = calls.subscribe();
    let cuts = changes.borrow().cuts;
    let follows = AtomicBool::new(false);
    let is_cut = |calls: &Calls| calls.cuts > cuts && !follows.load(Ordering::SeqCst);
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let (sent, awaited) = mpsc::unbounded_channel();
    let sent = |request| {
        follows.store(request == Request::Follow, Ordering::SeqCst);
        Ok(sent.send(request)?)
    };
    tokio::select! {
        biased;
        _ = changes.wait_for(is_cut) => Ok(()),
        done = requests(from_client, to_server, calls, sent) => done,
        done = answers(from_server, to_client, calls, awaited) => done,
    }
}

/// What is sent on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    /// A script is called.
    Call,
    /// A replica follows its primary: no answers from now on, but a stream.
    Follow,
    /// Anything else.
    Other,
}

async fn requests(
    client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    calls: &watch::Sender<Calls>,
    sent: impl Fn(Request) -> Result<()>,
) -> Result<()> {
    let mut frames = Frames::of_requests(client, Protocol::Redis);
    loop {
        let frame = frames.next().await?;
        let request = kind(&frame);
        if request == Request::Call {
            pass(calls).await?;
        }
        sent(request)?;
        server.write_all(&frame).await?;
        if request == Request::Follow {
            let (buffer, mut client) = frames.into_parts();
            server.write_all(&buffer).await?;
            tokio::io::copy(&mut client, &mut server).await?;
            return Ok(());
        }
    }
}

/// Waits until one more call may pass.
async fn pass(calls: &watch::Sender<Calls>) -> Result<()> {
    let take = |calls: &mut Calls| {
        let may_pass = calls.passed < calls.limit;
        calls.passed += usize::from(may_pass);
        may_pass
    };
    if calls.send_if_modified(take) {
        return Ok(());
    }
    let mut changes = calls.subscribe();
    calls.send_modify(|calls| calls.held += 1);
    let take_held = |calls: &mut Calls| {
        let passes = take(calls);
        calls.held -= usize::from(passes);
        passes
    };
    while !calls.send_if_modified(take_held) {
        changes.wait_for(|calls| calls.passed < calls.limit).await?;
    }
    Ok(())
}

async fn answers(
    server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    calls: &watch::Sender<Calls>,
    mut awaited: mpsc::UnboundedReceiver<Request>,
) -> Result<()> {
    let mut frames = Frames::of_answers(server, Protocol::Redis);
    loop {
        let frame = frames.next().await?;
        let answered = awaited.recv().await.context("an answer to nothing")?;
        client.write_all(&frame).await?;
        match answered {
            Request::Call => calls.send_modify(|calls| calls.answered += 1),
            Request::Follow => {
                let (buffer, mut server) = frames.into_parts();
                client.write_all(&buffer).await?;
                tokio::io::copy(&mut server, &mut client).await?;
                return Ok(());
            }
            Request::Other => {}
        }
    }
}

fn kind(request: &[u8]) -> Request {
    let mut lines = request.split(|byte| *byte == b'\n');
    let name = lines.nth(2).unwrap_or_default().trim_ascii();
    match name.to_ascii_uppercase().as_slice() {
        b"EVALSHA" | b"EVAL" => Request::Call,
        b"PSYNC" | b"SYNC" => Request::Follow,
        _ => Request::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_told_from_other_requests() {
        assert!(kind(b"*2\r\n$7\r\nevalsha\r\n$1\r\n0\r\n") == Request::Call);
        assert!(kind(b"*1\r\n$5\r\nPSYNC\r\n") == Request::Follow);
        assert!(kind(b"*1\r\n$4\r\nPING\r\n") == Request::Other);
    }
}
