//! The connection to Redis: made when it is needed, dropped when it is doubtful.
//!
//! What is repeated: every operation of the ledger is safe to repeat (a ticket more does no harm,
//! a commit knows itself again), so whatever fails for want of a connection, a timeout or a
//! server that is loading or failing over is repeated for [`PATIENCE`]. What Redis refuses for good
//! (no memory, no permission, a wrong password) is not.

use super::LedgerError;
use crate::settings::RedisSettings;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
};
use redis::{RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind, TlsCertificates};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long an operation is repeated before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time for a connection with its handshakes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for an answer. A commit of the largest set takes a fraction of it.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// After so long without use a connection is tried before it is trusted: a frozen Lambda's
/// connections may have been forgotten by every router on the way.
const IDLE: Duration = Duration::from_secs(30);

/// Time for that trial.
const PING_TIMEOUT: Duration = Duration::from_millis(300);

/// What commands are sent on.
pub(super) type Connection = MultiplexedConnection;

/// A connection and when it was last of use.
struct Live {
    connection: Connection,
    used: Instant,
}

/// The way to Redis.
pub(super) struct Link {
    client: Client,
    /// Host and port, for messages.
    address: String,
    live: Mutex<Option<Live>>,
}

impl Link {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, LedgerError> {
        // Whoever was first to install a provider is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = format!("{}:{}", settings.host, settings.port);
        let client = client(settings)?;
        Ok(Self {
            client,
            address,
            live: Mutex::new(None),
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
            let attempt = async { operation(self.connection().await?).await };
            let error = match attempt.await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if is_doubtful(&error) {
                *self.live.lock().await = None;
            }
            if !is_passing(&error) {
                return Err(LedgerError::Refused {
                    address: self.address.clone(),
                    cause: error.to_string(),
                });
            }
            if started.elapsed() + pause > PATIENCE {
                return Err(LedgerError::Unavailable {
                    address: self.address.clone(),
                    cause: error.to_string(),
                });
            }
            tracing::warn!(redis = self.address, error = %error, "Redis did not answer, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn connection(&self) -> RedisResult<Connection> {
        let mut live = self.live.lock().await;
        if let Some(Live { connection, used }) = live.as_mut() {
            if used.elapsed() < IDLE || answers(connection).await {
                *used = Instant::now();
                return Ok(connection.clone());
            }
            *live = None;
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        *live = Some(Live {
            connection: connection.clone(),
            used: Instant::now(),
        });
        Ok(connection)
    }
}

async fn answers(connection: &mut Connection) -> bool {
    let ping = redis::cmd("PING");
    let pong = ping.query_async::<String>(connection);
    matches!(tokio::time::timeout(PING_TIMEOUT, pong).await, Ok(Ok(_)))
}

fn client(settings: &RedisSettings) -> Result<Client, LedgerError> {
    let info =
        connection_info(settings).map_err(|error| LedgerError::Settings(error.to_string()))?;
    let Some(ca_file) = &settings.ca_file else {
        return Client::open(info).map_err(|error| LedgerError::Settings(error.to_string()));
    };
    let root = std::fs::read(ca_file).map_err(|error| {
        LedgerError::Settings(format!(
            "REDIS_CA_FILE `{}` cannot be read: {error}",
            ca_file.display()
        ))
    })?;
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(root),
    };
    Client::build_with_tls(info, certificates).map_err(|error| {
        LedgerError::Settings(format!("REDIS_CA_FILE `{}`: {error}", ca_file.display()))
    })
}

fn connection_info(settings: &RedisSettings) -> RedisResult<ConnectionInfo> {
    let (host, port) = (settings.host.clone(), settings.port);
    let address = if settings.tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let mut redis = RedisConnectionInfo::default().set_db(settings.db.into());
    if let Some(username) = &settings.username {
        redis = redis.set_username(username);
    }
    if let Some(password) = &settings.password {
        redis = redis.set_password(password.expose());
    }
    Ok(address
        .into_connection_info()?
        .set_redis_settings(redis)
        .set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

/// Whether the connection itself is in doubt. A timeout is: on a half-open socket every command
/// would time out. So is a read-only answer: the primary has become a replica.
fn is_doubtful(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// Whether the same operation may succeed a moment later.
fn is_passing(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain};
    let passing = [BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain];
    is_doubtful(error)
        || passing
            .iter()
            .any(|kind| error.kind() == ErrorKind::Server(*kind))
        || error.code() == Some("BUSY")
}
