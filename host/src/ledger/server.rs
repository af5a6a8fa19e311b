//! What the Redis server says of itself, for an operator who looks for what is wrong.

use super::{Ledger, LedgerError};
use redis::{Value, cmd};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a Redis server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// The lines of `INFO`; of a cluster, those of one node.
    pub info: BTreeMap<String, String>,
    /// How far its clock is from this one's, whichever is ahead.
    pub clock_apart: Duration,
    /// Whether it also has what this deployment would keep with `REDIS_CLUSTER` the other way round.
    pub has_other_layout: bool,
}

impl Ledger {
    /// Signs in, where that has not been done, and has an answer.
    pub async fn sign_in(&self) -> Result<(), LedgerError> {
        self.send::<Value>(&cmd("PING")).await.map(drop)
    }

    /// Which servers there are, as they call themselves, and which of them are replicas: others after a restart or
    /// a failover. Empty where they do not tell.
    pub(super) async fn servers(&self) -> Result<Vec<String>, LedgerError> {
        let info: Value = match self.send(&cmd("INFO")).await {
            Err(LedgerError::Refused { .. }) => return Ok(Vec::new()),
            info => info?,
        };
        let id = |info: &String| {
            let mut lines = lines(info);
            let mut told = |name| lines.remove(name).unwrap_or_default();
            format!("{} {}", told("run_id"), told("role"))
        };
        let mut ids: Vec<String> = texts(&info).iter().map(id).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Asks the server.
    pub async fn server(&self) -> Result<Server, LedgerError> {
        let info: Value = self.send(&cmd("INFO")).await?;
        let time: Value = self.send(&cmd("TIME")).await?;
        let others = self.names.of_other_layout().indexes().into_iter();
        let others = others.map(|index| cmd("EXISTS").arg(index).to_owned());
        let others: Vec<bool> = self.send_each(others.collect()).await?;
        Ok(Server {
            has_other_layout: others.contains(&true),
            info: lines(&text(&info).unwrap_or_default()),
            clock_apart: clock(&time).map_or(Duration::ZERO, apart),
        })
    }
}

/// A text, or the first one of those that the nodes of a cluster answer.
fn text(value: &Value) -> Option<String> {
    texts(value).into_iter().next()
}

/// A text, or all that the nodes of a cluster answer.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::BulkString(bytes) => vec![String::from_utf8_lossy(bytes).into_owned()],
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => vec![text.clone()],
        Value::Map(nodes) => nodes.iter().flat_map(|(_, answer)| texts(answer)).collect(),
        Value::Array(answers) => answers.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn lines(info: &str) -> BTreeMap<String, String> {
    let pairs = info.lines().filter_map(|line| line.split_once(':'));
    let owned = pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    owned.collect()
}

/// Time since the Unix epoch: seconds and microseconds.
fn clock(time: &Value) -> Option<Duration> {
    if let Value::Map(nodes) = time {
        return nodes.iter().find_map(|(_, answer)| clock(answer));
    }
    let Value::Array(parts) = time else {
        return None;
    };
    let mut numbers = parts.iter().map(|part| text(part)?.parse::<u64>().ok());
    let (seconds, micros) = (numbers.next()??, numbers.next()??);
    Some(Duration::from_secs(seconds) + Duration::from_micros(micros))
}

fn apart(clock: Duration) -> Duration {
    let here = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    here.abs_diff(clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_and_a_cluster_say_is_read_alike() {
        let info = Value::BulkString(b"# Server\r\nredis_version:7.2.4\r\n".to_vec());
        let node = Value::SimpleString("10.0.0.1:6379".into());
        let cluster = Value::Map(vec![(node, info.clone())]);
        for answer in [info, cluster] {
            assert_eq!(texts(&answer).len(), 1);
            let lines = lines(&text(&answer).unwrap());
            assert_eq!(lines["redis_version"], "7.2.4");
        }
        let part = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let time = Value::Array(vec![part("5"), part("7")]);
        assert_eq!(clock(&time), Some(Duration::from_micros(5_000_007)));
    }
}
