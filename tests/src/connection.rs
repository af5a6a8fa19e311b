//! A test's own connection to Redis.

use redis::aio::MultiplexedConnection;
use redis_sync_local::Redis;
use std::time::Duration;

/// Time for an answer: the client's own patience, half a second, is too short for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connects to a server without TLS.
///
/// # Panics
///
/// Where Redis does not accept.
pub async fn connect(redis: &Redis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).expect("the server's URL is one");
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    connecting.await.expect("Redis accepts")
}
