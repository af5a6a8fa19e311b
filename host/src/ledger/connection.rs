//! The connection to Redis: made when it is needed, dropped when it is doubtful.
//!
//! What is repeated: every operation of the ledger is safe to repeat (a ticket more does no harm,
//! a commit knows itself again), so whatever fails for want of a connection, a timeout or a
//! server that is loading or failing over is repeated for [`PATIENCE`]. What Redis refuses for good
//! (no memory, no permission, a wrong password) is not.

use super::LedgerError;
use super::client::Access;
use crate::settings::RedisSettings;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long an operation is repeated before it counts as failed. Longer than the time for an
/// answer: after one that timed out on a dead connection there is time for a fresh one.
const PATIENCE: Duration = Duration::from_secs(9);

/// After so long without use a connection is tried before it is trusted: a frozen Lambda's
/// connections may have been forgotten by every router on the way.
const IDLE: Duration = Duration::from_secs(20);

/// Time for that trial.
const PING_TIMEOUT: Duration = Duration::from_millis(300);

/// What commands are sent on.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// The connection in use.
#[derive(Default)]
struct Live {
    connection: Option<Connection>,
    /// When it was last asked for.
    used: Option<Instant>,
    /// How many there were: who finds one doubtful drops that one, and none made since.
    number: u64,
}

/// The way to Redis.
pub(super) struct Link {
    access: Access,
    /// Host and port, for messages.
    address: String,
    live: Mutex<Live>,
}

impl Link {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, LedgerError> {
        // Whoever was first to install a provider is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            access: Access::new(settings)?,
            address: format!("{}:{}", settings.host, settings.port),
            live: Mutex::default(),
        })
    }

    /// Does `operation`, and repeats it as the module says.
    pub(super) async fn run<T, F>(
        &self,
        operation: impl Fn(Connection) -> F,
    ) -> Result<T, LedgerError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let started = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            let error = match self.attempt(&operation).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let address = self.address.clone();
            let cause = error.to_string();
            if !is_passing(&error) {
                return Err(LedgerError::Refused { address, cause });
            }
            if started.elapsed() + pause > PATIENCE {
                return Err(LedgerError::Unavailable { address, cause });
            }
            tracing::warn!(redis = address, error = %error, "Redis did not answer, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn attempt<T, F>(&self, operation: &impl Fn(Connection) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (connection, number) = self.connection().await?;
        let answer = operation(connection).await;
        if let Err(error) = &answer
            && is_doubtful(error)
        {
            let mut live = self.live.lock().await;
            if live.number == number {
                live.connection = None;
            }
        }
        answer
    }

    async fn connection(&self) -> RedisResult<(Connection, u64)> {
        let mut live = self.live.lock().await;
        let fresh = live.used.is_some_and(|used| used.elapsed() < IDLE);
        if let Some(connection) = &mut live.connection {
            if fresh || answers(connection).await {
                let connection = connection.clone();
                live.used = Some(Instant::now());
                return Ok((connection, live.number));
            }
            live.connection = None;
        }
        let connection = self.access.connect().await?;
        *live = Live {
            connection: Some(connection.clone()),
            used: Some(Instant::now()),
            number: live.number + 1,
        };
        Ok((connection, live.number))
    }
}

async fn answers(connection: &mut Connection) -> bool {
    let ping = redis::cmd("PING");
    let pong = ping.query_async::<String>(connection);
    matches!(tokio::time::timeout(PING_TIMEOUT, pong).await, Ok(Ok(_)))
}

/// Whether the connection itself is in doubt. A timeout is: on a half-open socket every command
/// would time out. So is a read-only answer: the primary has become a replica.
fn is_doubtful(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
        || error.kind() == ErrorKind::ClusterConnectionNotFound
}

/// Whether the same operation may succeed a moment later.
fn is_passing(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    let passing = [
        Ask,
        BusyLoading,
        ClusterDown,
        MasterDown,
        Moved,
        ReadOnly,
        TryAgain,
    ];
    is_doubtful(error)
        || passing
            .iter()
            .any(|kind| error.kind() == ErrorKind::Server(*kind))
        || error.code() == Some("BUSY")
}
