//! What Redis lets this user do, for an operator who looks for what is wrong.

use super::call::{ACCESS, Call};
use super::{Ledger, LedgerError};
use redis::cmd;
use std::collections::BTreeSet;

/// The commands of the scripts, and those that are sent without one: on a key of the bookkeeping (`B`) or of data (`D`).
const COMMANDS: [&str; 61] = [
    "EXISTS B",
    "EXPIRE B 1",
    "GET B",
    "HDEL B f",
    "HEXISTS B f",
    "HGET B f",
    "HGETALL B",
    "HLEN B",
    "HMGET B f",
    "HSCAN B 0",
    "HSET B f v",
    "HSTRLEN B f",
    "INFO",
    "LLEN B",
    "PING",
    "PERSIST B",
    "RENAME B D",
    "RPUSH B v",
    "SADD B v",
    "SCARD B",
    "SET B v",
    "SETRANGE B 0 v",
    "STRLEN B",
    "TIME",
    "UNLINK B",
    "ZADD B 0 m",
    "ZCARD B",
    "ZLEXCOUNT B - +",
    "ZRANGE B 0 1",
    "ZRANGEBYLEX B - +",
    "ZREM B m",
    "ZSCORE B m",
    "EXISTS D",
    "EXPIRE D 1",
    "GET D",
    "HGETALL D",
    "HLEN D",
    "HSET D f v",
    "LLEN D",
    "LRANGE D 0 1",
    "MEMORY USAGE D",
    "MSET D v",
    "PERSIST D",
    "PTTL D",
    "RPUSH D v",
    "SADD D v",
    "SCARD D",
    "SET D v",
    "SMEMBERS D",
    "STRLEN D",
    "TYPE D",
    "UNLINK D",
    "ZADD D 0 m",
    "ZCARD D",
    "ZRANGE D 0 1",
    "GETRANGE D 0 1",
    "HSCAN D 0",
    "SSCAN D 0",
    "ZSCAN D 0",
    "EVALSHA 0 0",
    "SCRIPT LOAD s",
];

/// What Redis lets this user do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The user's name; `None` where Redis does not say.
    pub user: Option<String>,
    /// Commands that Redis would refuse, of those that are used; `None` where Redis does not say.
    pub refused: Option<Vec<String>>,
}

impl Access {
    /// The names of the commands that are used.
    pub fn commands() -> BTreeSet<&'static str> {
        let first_words = COMMANDS.iter().filter_map(|words| words.split(' ').next());
        first_words.collect()
    }
}

impl Ledger {
    /// The name of the user; `None` where Redis does not say.
    pub async fn user(&self) -> Option<String> {
        self.send(cmd("ACL").arg("WHOAMI")).await.ok()
    }

    /// Asks Redis which commands it would refuse, on keys with this prefix. Nothing is carried out.
    pub async fn access(&self, key_prefix: &str) -> Result<Access, LedgerError> {
        let user = self.user().await;
        let own = self.names.record("doctor");
        let mut call = Call::new(&ACCESS).key(own.clone());
        let publish = self
            .changes_channel
            .as_ref()
            .map(|channel| format!("PUBLISH {channel} m"));
        for command in COMMANDS.iter().copied().chain(publish.as_deref()) {
            let words: Vec<String> = command
                .split(' ')
                .map(|word| match word {
                    "B" => own.clone(),
                    "D" => format!("{key_prefix}doctor"),
                    word => word.to_owned(),
                })
                .collect();
            call = call.argument(words.len().to_string()).arguments(words);
        }
        let mut refused: Option<Vec<String>> = self.call(&call).await?;
        if let Some(refused) = &mut refused {
            refused.sort_unstable();
            refused.dedup();
        }
        Ok(Access { user, refused })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in quotes after `call(` or `call_with(…, `: `COUNT` is none, where a variable has the command.
    fn called(script: &str) -> impl Iterator<Item = &str> {
        let calls = script.split("call").skip(1);
        let arguments = calls.filter_map(|call| call.split_once(')').map(|(inner, _)| inner));
        let quoted = arguments.filter_map(|inner| inner.split('\'').nth(1));
        let is_command = |word: &&str| word.bytes().all(|letter| letter.is_ascii_uppercase());
        quoted.filter(|word| !word.is_empty()).filter(is_command)
    }

    /// What `cmd(` is called with.
    fn sent(source: &str) -> impl Iterator<Item = &str> {
        let calls = source.split("cmd(\"").skip(1);
        calls.filter_map(|call| call.split_once('"').map(|(command, _)| command))
    }

    /// The texts of this folder's files with an extension.
    fn texts(folder: &str, extension: &str) -> Vec<String> {
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let texts = files.filter(|path| path.extension().is_some_and(|its| its == extension));
        texts
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }

    #[test]
    fn every_command_is_asked_about() {
        let known = Access::commands();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ledger");
        let (scripts, sources) = (texts(&format!("{folder}/lua"), "lua"), texts(folder, "rs"));
        let called: Vec<&str> = scripts.iter().flat_map(|text| called(text)).collect();
        let sent: Vec<&str> = sources.iter().flat_map(|text| sent(text)).collect();
        assert!(called.len() > 30 && sent.len() > 30, "{called:?} {sent:?}");
        for command in called.into_iter().chain(sent) {
            let is_asked_elsewhere = ["ACL", "PUBLISH", "COUNT"].contains(&command);
            assert!(is_asked_elsewhere || known.contains(command), "{command}");
        }
    }
}
