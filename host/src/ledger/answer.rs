//! What the commit script answers.

use super::commit::{TakenBy, Verdict};
use super::names::Names;
use redis::FromRedisValue;

/// A verdict, or why there is none yet.
pub(super) enum Reply {
    Verdict(Verdict),
    /// These keys are concerned too.
    Undeclared(Vec<String>),
    /// Staged values are gone: their time was up.
    Unstaged,
}

impl Reply {
    pub(super) fn read(answer: &[Answer], names: &Names) -> Self {
        let number = |place: usize| answer.get(place).map_or(0, Answer::number);
        let text = |place: usize| answer.get(place).map(Answer::text).unwrap_or_default();
        Self::Verdict(match text(0).as_str() {
            "committed" => Verdict::Committed,
            "superseded" => Verdict::Superseded(number(1)),
            "stale" => Verdict::Stale(number(1)),
            "changed" => Verdict::Changed(number(1)),
            "conflict" => Verdict::Conflict {
                proposal: number(1),
                redis_key: text(2),
                taken_by: owner(text(3), names),
            },
            "unstaged" => return Self::Unstaged,
            _ => return Self::Undeclared(answer.iter().skip(1).map(Answer::text).collect()),
        })
    }
}

fn owner(name: String, names: &Names) -> TakenBy {
    match names.key_of(&name) {
        Some(key) => TakenBy::Object(key.to_owned()),
        None if name.is_empty() => TakenBy::Stranger,
        None => TakenBy::OtherBucket(name),
    }
}

/// One element of a script's answer.
pub(super) enum Answer {
    Number(usize),
    Text(String),
}

impl Answer {
    pub(super) fn number(&self) -> usize {
        match self {
            Self::Number(number) => *number,
            Self::Text(_) => 0,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl FromRedisValue for Answer {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        match value {
            redis::Value::Int(number) => Ok(Self::Number(usize::try_from(number).unwrap_or(0))),
            value => Ok(Self::Text(String::from_redis_value(value)?)),
        }
    }
}
