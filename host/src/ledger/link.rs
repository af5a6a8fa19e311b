//! The way to Redis: a connection that is made when it is needed, and dropped when it is doubtful.
//!
//! This is the only place where an operation is repeated because Redis did not answer, but for what the
//! client of a cluster follows by itself. Every
//! operation of the ledger is safe to repeat (a ticket more does no harm, a commit knows itself
//! again), so whatever fails for want of a connection, a timeout or a server that is loading or
//! failing over is repeated for [`PATIENCE`]. What Redis refuses for good (no memory, no permission,
//! a wrong password) is not.

use super::LedgerError;
use super::client::Connector;
use super::connection::Connection;
use crate::settings::RedisSettings;
use crate::text::clip;
use backon::{BackoffBuilder, ExponentialBuilder};
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long an operation is repeated before it counts as failed. Longer than the time for an
/// answer: after one that timed out on a dead connection there is time for a fresh one.
const PATIENCE: Duration = Duration::from_secs(9);

/// After so long without use a connection is tried before it is trusted: a frozen Lambda's
/// connections may have been forgotten by every router on the way.
const IDLE: Duration = Duration::from_secs(5);

/// Time for that trial.
const PING_TIMEOUT: Duration = Duration::from_millis(300);

/// The pauses between repetitions.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(20))
    .with_max_delay(Duration::from_secs(1))
    .without_max_times()
    .with_jitter();

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
    connector: Connector,
    /// Host and port, for messages.
    address: String,
    live: Mutex<Live>,
}

impl Link {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, LedgerError> {
        // Whoever was first to install a provider is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            connector: Connector::new(settings)?,
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
        for pause in PAUSES.build() {
            let error = match self.attempt(&operation).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !is_passing(&error) {
                return Err(self.refused(error.to_string()));
            }
            if started.elapsed() + pause > PATIENCE {
                return Err(self.unavailable(&error.to_string()));
            }
            tracing::warn!(redis = self.address, error = %error, "Redis did not answer, trying again");
            tokio::time::sleep(pause).await;
        }
        Err(self.unavailable("it was tried for ever"))
    }

    /// Redis does not do it, in these words.
    pub(super) fn refused(&self, cause: impl AsRef<str>) -> LedgerError {
        LedgerError::Refused {
            address: self.address.clone(),
            cause: clip(cause.as_ref()).to_owned(),
        }
    }

    fn unavailable(&self, cause: &str) -> LedgerError {
        LedgerError::Unavailable {
            address: self.address.clone(),
            cause: clip(cause).to_owned(),
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
        let connection = self.connector.connect().await?;
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
pub(super) fn is_doubtful(error: &RedisError) -> bool {
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
