//! The scripts, by their digest where the server has them and whole where it has not.

use super::connection::Connection;
use redis::{Cmd, FromRedisValue, RedisResult, Script, ServerErrorKind};
use std::sync::LazyLock;

/// A script: the prelude that all share, and its own files. They are put together here, so that each is in the binary
/// once.
macro_rules! script {
    ($($file:literal),+) => {
        LazyLock::new(|| {
            let files = [
                include_str!("lua/prelude.lua"),
                $(include_str!(concat!("lua/", $file)),)+
            ];
            let text = files.concat();
            #[cfg(test)]
            let text = with_mutant(&text);
            Script::new(&text)
        })
    };
}

pub(super) static TICKET: LazyLock<Script> = script!("generation_prelude.lua", "ticket.lua");
pub(super) static GENERATION: LazyLock<Script> =
    script!("generation_prelude.lua", "generation.lua");
pub(super) static COMMIT: LazyLock<Script> = script!(
    "reservations.lua",
    "commit_prelude.lua",
    "commit_write.lua",
    "commit.lua"
);
pub(super) static CHECK: LazyLock<Script> =
    script!("reservations.lua", "commit_prelude.lua", "check.lua");
pub(super) static RESERVE: LazyLock<Script> =
    script!("reservations.lua", "commit_prelude.lua", "reserve.lua");
pub(super) static UNRESERVE: LazyLock<Script> = script!("reservations.lua", "unreserve.lua");
pub(super) static APPLY: LazyLock<Script> = script!(
    "reservations.lua",
    "commit_prelude.lua",
    "commit_write.lua",
    "apply.lua"
);
pub(super) static ANNOUNCE: LazyLock<Script> = script!("announce.lua");
pub(super) static RAISE: LazyLock<Script> = script!("raise.lua");
pub(super) static FINISH: LazyLock<Script> = script!("finish.lua");
pub(super) static FAIL: LazyLock<Script> = script!("fail.lua");
pub(super) static REMOVE_ORPHANS: LazyLock<Script> =
    script!("reservations.lua", "remove_orphans.lua");
pub(super) static ACCESS: LazyLock<Script> = script!("access.lua");
pub(super) static RELEASE: LazyLock<Script> = script!("release.lua");
pub(super) static STAGE: LazyLock<Script> = script!("stage.lua");
pub(super) static NOTE: LazyLock<Script> = script!("note.lua");
pub(super) static DIGEST: LazyLock<Script> = script!("digest.lua");

/// A script, or the careless variant of it that the environment names: `tests/mutants` finds out so which
/// of these tests notice it.
#[cfg(test)]
fn with_mutant(script: &str) -> String {
    let mutant = redis_sync_local::Mutant::of_environment();
    let mutated = mutant.and_then(|mutant| mutant.applied_to(script));
    mutated.unwrap_or_else(|| script.to_owned())
}

/// One call of a script.
#[derive(Clone)]
pub(super) struct Call {
    script: &'static Script,
    /// `KEYS` of the script.
    keys: Vec<Vec<u8>>,
    /// `ARGV` of the script.
    arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn new(script: &'static Script) -> Self {
        Self {
            script,
            keys: Vec::new(),
            arguments: Vec::new(),
        }
    }

    pub(super) fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// How many keys there are; Lua counts from 1, so that is the place of the last one.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn argument(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(super) fn arguments<T: Into<Vec<u8>>>(
        self,
        arguments: impl IntoIterator<Item = T>,
    ) -> Self {
        arguments.into_iter().fold(self, Self::argument)
    }

    /// The call by digest.
    pub(super) fn command(&self) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command
            .arg(self.script.get_hash())
            .arg(self.keys.len())
            .arg(&self.keys)
            .arg(&self.arguments);
        command
    }

    /// Calls the script; loads it where the server does not know it (any more).
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        connection: &mut Connection,
    ) -> RedisResult<T> {
        match self.command().query_async(connection).await {
            Err(error) if is_unknown_script(&error) => {
                self.script.load_async(connection).await?;
                self.command().query_async(connection).await
            }
            answer => answer,
        }
    }
}

/// Calls one script many times in one round trip; on a cluster, whose nodes take no pipeline across
/// hash slots, all at a time.
pub(super) async fn invoke_all<T: FromRedisValue>(
    calls: &[Call],
    connection: &mut Connection,
) -> RedisResult<Vec<T>> {
    if connection.is_cluster() {
        let each = calls.iter().map(|call| {
            let mut connection = connection.clone();
            async move { call.invoke(&mut connection).await }
        });
        return futures::future::try_join_all(each).await;
    }
    let Some(first) = calls.first() else {
        return Ok(Vec::new());
    };
    let mut pipeline = redis::pipe();
    for call in calls {
        pipeline.add_command(call.command());
    }
    match pipeline.query_async(connection).await {
        Err(error) if is_unknown_script(&error) => {
            first.script.load_async(connection).await?;
            pipeline.query_async(connection).await
        }
        answer => answer,
    }
}

fn is_unknown_script(error: &redis::RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript)
        || error.to_string().contains("NOSCRIPT")
}

/// Sends commands in one round trip; on a cluster all at a time.
pub(super) async fn query_each<T: FromRedisValue>(
    commands: &[Cmd],
    connection: &mut Connection,
) -> RedisResult<Vec<T>> {
    if connection.is_cluster() {
        let each = commands.iter().map(|command| {
            let mut connection = connection.clone();
            async move { command.query_async(&mut connection).await }
        });
        return futures::future::try_join_all(each).await;
    }
    let mut pipeline = redis::pipe();
    for command in commands {
        pipeline.add_command(command.clone());
    }
    pipeline.query_async(connection).await
}
