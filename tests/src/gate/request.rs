//! What is in a request.

use redis_sync_local::Mutant;
use std::collections::{HashMap, HashSet};

/// Commands that set up a connection, or look at the cluster: they are no steps of a history.
const SETTING_UP: [&str; 9] = [
    "ASKING", "AUTH", "CLIENT", "CLUSTER", "COMMAND", "HELLO", "PING", "SCRIPT", "SELECT",
];

/// Commands of hosts that change nothing.
const READS: [&str; 12] = [
    "EXISTS",
    "GET",
    "HGET",
    "HGETALL",
    "HMGET",
    "HSCAN",
    "HSTRLEN",
    "INFO",
    "SCAN",
    "ZLEXCOUNT",
    "ZRANGEBYLEX",
    "ZSCORE",
];

/// How a script asks for the time.
const CLOCK: &str = "redis.call('TIME')";

/// Bytes that a message shows of a request.
const SHOWN: usize = 160;

/// A request that waits.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    /// Whether it is a step of a history.
    pub(super) is_step: bool,
}

/// The scripts that servers were given.
pub(super) struct Scripts {
    by_digest: HashMap<Vec<u8>, Script>,
    mutant: Option<Mutant>,
}

/// A script, as it is to be carried out.
struct Script {
    text: String,
    is_mutated: bool,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            by_digest: HashMap::new(),
            mutant: Mutant::of_environment(),
        }
    }
}

impl Scripts {
    /// Notes a script, from the request that loads it and the answer to that.
    pub(super) fn loaded(&mut self, request: &[u8], answer: &[u8]) {
        let digest = answer.split(|byte| *byte == b'\n').nth(1);
        if let ([_, _, body], Some(digest)) = (arguments(request).as_slice(), digest) {
            let body = String::from_utf8_lossy(body).into_owned();
            let mutated = self
                .mutant
                .as_ref()
                .and_then(|mutant| mutant.applied_to(&body));
            let script = Script {
                is_mutated: mutated.is_some(),
                text: mutated.unwrap_or(body),
            };
            self.by_digest
                .insert(digest.trim_ascii_end().to_vec(), script);
        }
    }

    /// The request as a server with another clock has it carried out: a call of a script that asks for
    /// the time brings a script that adds so many seconds. So does one of a script that is mutated bring that.
    /// `None` where it stays as it is.
    pub(super) fn as_played(&self, request: &[u8], ahead: i64) -> Option<Vec<u8>> {
        let mut arguments = arguments(request);
        let is_call = arguments.first()?.eq_ignore_ascii_case(b"EVALSHA");
        let script = self.by_digest.get(*arguments.get(1)?)?;
        let is_late = ahead != 0 && script.text.contains(CLOCK);
        if !is_call || !(is_late || script.is_mutated) {
            return None;
        }
        let mut script = script.text.clone();
        if is_late {
            let ahead =
                format!("(function() local t = {CLOCK} t[1] = t[1] + {ahead} return t end)()");
            script = script.replace(CLOCK, &ahead);
        }
        *arguments.first_mut()? = b"EVAL";
        *arguments.get_mut(1)? = script.as_bytes();
        let mut whole = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            whole.extend(format!("${}\r\n", argument.len()).bytes());
            whole.extend(argument);
            whole.extend(b"\r\n");
        }
        Some(whole)
    }
}

/// Whether a request to Redis is a step of a history. Those are not that set up a connection; nor are a sync's
/// looks at the owners of hash slots (16,384 of them) that no earlier request has changed.
pub(super) fn is_step(request: &[u8], named: &HashSet<Vec<u8>>) -> bool {
    let is_vain = is(request, "HSCAN") && names(request).all(|name| !named.contains(name));
    !is_one_of(request, &SETTING_UP) && !is_vain
}

/// Whether a request to Redis changes nothing, whenever it arrives.
pub(super) fn reads(request: &[u8]) -> bool {
    is_one_of(request, &READS)
}

/// What a request to Redis names of the bookkeeping.
pub(super) fn names(request: &[u8]) -> impl Iterator<Item = &[u8]> {
    let arguments = arguments(request).into_iter();
    arguments.filter(|argument| argument.starts_with(b"redis-sync:"))
}

/// Whether a request to Redis calls a script.
pub(super) fn is_call(request: &[u8]) -> bool {
    is(request, "EVALSHA") || is(request, "EVAL")
}

/// Whether a request to Redis is this command.
pub(super) fn is(request: &[u8], name: &str) -> bool {
    is_one_of(request, &[name])
}

fn is_one_of(request: &[u8], names: &[&str]) -> bool {
    // After how many parts there are, and how long the first one is.
    let rest = after_line(after_line(request).1).1;
    let command = rest.split(|byte| *byte == b'\r').next();
    let is = |name: &&str| command.is_some_and(|is| is.eq_ignore_ascii_case(name.as_bytes()));
    names.iter().any(is)
}

/// The parts of a request to Redis, which is whole.
fn arguments(request: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = after_line(request).1;
    while let (Some(length), after) = after_line(rest) {
        let length: usize = match str::from_utf8(length).map(str::parse) {
            Ok(Ok(length)) => length,
            _ => break,
        };
        let Some((part, after)) = after.split_at_checked(length) else {
            break;
        };
        parts.push(part);
        rest = after.get(2..).unwrap_or_default();
    }
    parts
}

/// The first line without its first letter, and what is after it.
fn after_line(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match text.windows(2).position(|two| two == b"\r\n") {
        Some(end) => (text.get(1..end), &text[end + 2..]),
        None => (None, &[]),
    }
}

/// How a request begins.
pub(super) fn text(request: &[u8]) -> String {
    let words = match arguments(request) {
        arguments if arguments.is_empty() => request.to_vec(),
        arguments => arguments.join(&b' '),
    };
    let shown = words.get(..SHOWN).unwrap_or(&words);
    let line = String::from_utf8_lossy(shown);
    line.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_asks_for_the_time_brings_another_clock() {
        let mut scripts = Scripts::default();
        let load = b"*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$25\r\nreturn redis.call('TIME')\r\n";
        scripts.loaded(load, b"$3\r\nabc\r\n");
        let call = b"*3\r\n$7\r\nEVALSHA\r\n$3\r\nabc\r\n$1\r\n0\r\n";
        assert_eq!(scripts.as_played(call, 0), None);
        let other = scripts.as_played(call, -3).unwrap();
        let parts = arguments(&other);
        assert_eq!((parts[0], parts[2]), (&b"EVAL"[..], &b"0"[..]));
        assert!(String::from_utf8_lossy(parts[1]).contains("t[1] + -3"));
    }

    #[test]
    fn steps_are_what_may_change_or_show_something() {
        let changed = HashSet::from([b"redis-sync:{7}:owners".to_vec()]);
        let is_step = |request: &[&str]| {
            let length = |part: &&str| format!("${}\r\n{part}\r\n", part.len());
            let parts: String = request.iter().map(length).collect();
            is_step(
                format!("*{}\r\n{parts}", request.len()).as_bytes(),
                &changed,
            )
        };
        assert!(is_step(&["EVALSHA", "abc", "1", "redis-sync:{8}:owners"]));
        assert!(is_step(&["HSCAN", "redis-sync:{7}:owners", "0"]));
        assert!(is_step(&["HGETALL", "redis-sync:{8}:owners"]));
        assert!(!is_step(&["HSCAN", "redis-sync:{8}:owners", "0"]));
        assert!(!is_step(&["ping"]));
    }
}
