//! How Redis is reached: address, TLS, user, one server or a cluster.

use super::LedgerError;
use super::connection::Connection;
use super::iam::TokenProvider;
use crate::settings::RedisSettings;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult, TlsCertificates,
};
use std::time::Duration;

/// Time for a connection with its handshakes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for an answer. A commit of the largest set takes a fraction of it.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long what was sent may stay unacknowledged: on a half-open socket, until it is closed.
const USER_TIMEOUT: Duration = Duration::from_secs(3);

/// Times the cluster client follows a redirection or asks for the nodes anew; the rest is up to the
/// caller.
const CLUSTER_RETRIES: u32 = 4;

/// Pauses between those, in milliseconds.
const CLUSTER_PAUSES_MS: (u64, u64) = (20, 300);

/// What connections are made by.
pub(super) enum Connector {
    Single {
        client: Client,
        tokens: Option<TokenProvider>,
    },
    Cluster(ClusterClient),
}

impl Connector {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, LedgerError> {
        let wrong = |error: redis::RedisError| LedgerError::Settings(error.to_string());
        let info = connection_info(settings).map_err(wrong)?;
        let certificates = certificates(settings)?;
        let tokens = tokens(settings);
        let refused = |error: redis::RedisError| match &settings.ca_file {
            Some(file) => {
                LedgerError::Settings(format!("REDIS_CA_FILE `{}`: {error}", file.display()))
            }
            None => wrong(error),
        };
        if settings.cluster {
            let client = cluster(info, certificates, tokens)
                .build()
                .map_err(refused)?;
            return Ok(Self::Cluster(client));
        }
        let client = match certificates {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        };
        Ok(Self::Single {
            client: client.map_err(refused)?,
            tokens,
        })
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        match self {
            Self::Single { client, tokens } => {
                let mut config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT_TIMEOUT))
                    .set_response_timeout(Some(RESPONSE_TIMEOUT));
                if let Some(tokens) = tokens {
                    config = config.set_credentials_provider(tokens.clone());
                }
                let connecting = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Connection::Single(connecting.await?))
            }
            Self::Cluster(client) => Ok(Connection::Cluster(client.get_async_connection().await?)),
        }
    }
}

fn cluster(
    info: ConnectionInfo,
    certificates: Option<TlsCertificates>,
    tokens: Option<TokenProvider>,
) -> ClusterClientBuilder {
    let (least, most) = CLUSTER_PAUSES_MS;
    let mut builder = ClusterClientBuilder::new([info])
        .connection_timeout(CONNECT_TIMEOUT)
        .response_timeout(RESPONSE_TIMEOUT)
        .overall_response_timeout(Some(RESPONSE_TIMEOUT))
        .retries(CLUSTER_RETRIES)
        .min_retry_wait(least)
        .max_retry_wait(most)
        .tcp_settings(tcp_settings());
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    if let Some(tokens) = tokens {
        builder = builder.set_credentials_provider(tokens);
    }
    builder
}

fn tokens(settings: &RedisSettings) -> Option<TokenProvider> {
    let user = settings.username.clone().unwrap_or_default();
    Some(TokenProvider::new(settings.iam.clone()?, user))
}

fn certificates(settings: &RedisSettings) -> Result<Option<TlsCertificates>, LedgerError> {
    let Some(ca_file) = &settings.ca_file else {
        return Ok(None);
    };
    let root = std::fs::read(ca_file).map_err(|error| {
        LedgerError::Settings(format!(
            "REDIS_CA_FILE `{}` cannot be read: {error}",
            ca_file.display()
        ))
    })?;
    Ok(Some(TlsCertificates {
        client_tls: None,
        root_cert: Some(root),
    }))
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
    // With tokens, the user comes with each of them.
    if let (Some(username), None) = (&settings.username, &settings.iam) {
        redis = redis.set_username(username);
    }
    if let Some(password) = &settings.password {
        redis = redis.set_password(password.expose());
    }
    Ok(address
        .into_connection_info()?
        .set_redis_settings(redis)
        .set_tcp_settings(tcp_settings()))
}

fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}
