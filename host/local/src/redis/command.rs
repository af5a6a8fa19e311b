//! Commands that see whether a server is up, set it up and look inside.

use std::path::Path;

use anyhow::{Result, bail};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisResult, Value,
};

/// Sends one command over a Unix socket, on a connection of its own.
pub(super) async fn send(socket: &Path, arguments: &[&str]) -> RedisResult<Value> {
    let info = ConnectionAddr::Unix(socket.to_owned()).into_connection_info()?;
    // The server counts what it reads, and tests count along: it gets the command and nothing else.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    let client = Client::open(info.set_redis_settings(settings))?;
    // Who calls has a patience of its own, which is longer than the client's.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let (name, rest) = arguments.split_first().unwrap_or((&"", &[]));
    redis::cmd(name)
        .arg(rest)
        .query_async(&mut connection)
        .await
}

/// An answer as text, that of a list as a line an element.
pub(super) fn text(answer: Value) -> Result<String> {
    Ok(match answer {
        Value::Nil => String::new(),
        Value::Okay => String::from("OK"),
        Value::SimpleString(text) => text,
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::Int(number) => number.to_string(),
        Value::Array(elements) => {
            let lines: Result<Vec<_>> = elements.into_iter().map(text).collect();
            lines?.join("\n")
        }
        other => bail!("not an answer as text: {other:?}"),
    })
}
