//! A TCP proxy that loses what it should carry.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Carries connections to a port of this machine. It ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    ways: Arc<Ways>,
    task: JoinHandle<()>,
}

/// What goes wrong.
#[derive(Default)]
struct Ways {
    /// The next answer is dropped, and its connection closed.
    lose_answer: AtomicBool,
    /// Connections with numbers below this carry nothing any more, and stay open.
    dead_below: AtomicU64,
    /// Connections so far.
    connections: AtomicU64,
}

impl Proxy {
    /// Starts a proxy to a port.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let ways = Arc::new(Ways::default());
        let shared = Arc::clone(&ways);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let ways = Arc::clone(&shared);
                let number = ways.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    // An error: one side has gone, as connections do.
                    let _ = carry(client, port, number, &ways).await;
                });
            }
        });
        Ok(Self {
            address,
            ways,
            task,
        })
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Drops the next answer and closes its connection.
    pub fn lose_next_answer(&self) {
        self.ways.lose_answer.store(true, Ordering::SeqCst);
    }

    /// Whether that answer is still to be lost.
    pub fn is_to_lose_an_answer(&self) -> bool {
        self.ways.lose_answer.load(Ordering::SeqCst)
    }

    /// Carries nothing any more on the connections there are, without a word to either side.
    pub fn forget_connections(&self) {
        let connections = self.ways.connections.load(Ordering::SeqCst);
        self.ways.dead_below.store(connections, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, port: u16, number: u64, ways: &Ways) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let (from_client, length) = tokio::select! {
            read = client.read(&mut request) => (true, read?),
            read = server.read(&mut answer) => (false, read?),
        };
        if length == 0 {
            return Ok(());
        }
        if number < ways.dead_below.load(Ordering::SeqCst) {
            continue;
        }
        if from_client {
            server.write_all(&request[..length]).await?;
        } else if ways.lose_answer.swap(false, Ordering::SeqCst) {
            return Ok(());
        } else {
            client.write_all(&answer[..length]).await?;
        }
    }
}
