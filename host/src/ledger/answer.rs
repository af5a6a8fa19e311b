//! What the commit scripts answer.

use super::names::Names;
use super::proposal::{TakenBy, Verdict};
use redis::FromRedisValue;
use std::collections::BTreeMap;

/// What a commit script answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Verdict(Verdict),
    /// The ticket of that proposal does not count: one of its keys was written under this later one.
    Late(usize, u64),
    /// These keys are concerned too.
    Undeclared(Vec<String>),
    /// Of these proposals, those later tickets have been in a hash slot of a cluster.
    Overtaken(BTreeMap<usize, u64>),
    /// Staged values are gone: their time was up.
    Unstaged,
}

impl Answer {
    /// Reads an answer; an error is one that no script of ours gives.
    pub(super) fn read(words: &[Word], names: &Names) -> Result<Self, String> {
        let verdict = match words {
            [Word::Text(name)] if name == "committed" => Verdict::Committed,
            [Word::Text(name)] if name == "unstaged" => return Ok(Self::Unstaged),
            [Word::Text(name), keys @ ..] if name == "undeclared" => {
                return Ok(Self::Undeclared(keys.iter().map(Word::text).collect()));
            }
            [Word::Text(name), Word::Number(place)] => match name.as_str() {
                "superseded" => Verdict::Superseded(*place),
                "stale" => Verdict::Stale(*place),
                "changed" => Verdict::Changed(*place),
                _ => return Err(unknown(words)),
            },
            [Word::Text(name), pair @ ..] if name == "stale" => {
                let behind = tickets(pair).and_then(|tickets| tickets.into_iter().next());
                let (place, ticket) = behind.ok_or_else(|| unknown(words))?;
                return Ok(Self::Late(place, ticket));
            }
            [Word::Text(name), pairs @ ..] if name == "overtaken" => {
                return tickets(pairs)
                    .map(Self::Overtaken)
                    .ok_or_else(|| unknown(words));
            }
            [
                Word::Text(name),
                Word::Number(place),
                Word::Text(redis_key),
                Word::Text(object),
            ] if name == "conflict" => Verdict::Conflict {
                proposal: *place,
                redis_key: redis_key.clone(),
                taken_by: taken_by(object, names),
            },
            _ => return Err(unknown(words)),
        };
        Ok(Self::Verdict(verdict))
    }
}

/// Tickets of proposals, each after the proposal's place.
fn tickets(pairs: &[Word]) -> Option<BTreeMap<usize, u64>> {
    let ticket = |pair: &[Word]| match pair {
        [Word::Number(place), Word::Text(ticket)] => Some((*place, ticket.parse().ok()?)),
        _ => None,
    };
    pairs.chunks(2).map(ticket).collect()
}

/// What is said of an answer that no script gives.
pub(super) fn unknown(words: &[Word]) -> String {
    format!("a script gave an answer that is not known: {words:?}")
}

fn taken_by(object: &str, names: &Names) -> TakenBy {
    match names.key_of(object) {
        Some(key) => TakenBy::Object(key.to_owned()),
        None if object.is_empty() => TakenBy::Stranger,
        None if names.is_same_bucket(object) => TakenBy::OtherPrefix(object.to_owned()),
        None => TakenBy::OtherBucket(object.to_owned()),
    }
}

/// One element of a script's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    Number(usize),
    Text(String),
}

impl Word {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl FromRedisValue for Word {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        match value {
            redis::Value::Int(number) => Ok(Self::Number(usize::try_from(number).unwrap_or(0))),
            value => Ok(Self::Text(String::from_redis_value(value)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Word {
        Word::Text(text.into())
    }

    #[test]
    fn an_answer_that_is_not_known_is_an_error() {
        let names = Names::new("config", "", false);
        let read = |words: &[Word]| Answer::read(words, &names);
        let committed = Ok(Answer::Verdict(Verdict::Committed));
        assert_eq!(read(&[text("committed")]), committed);
        let superseded = Ok(Answer::Verdict(Verdict::Superseded(1)));
        assert_eq!(read(&[text("superseded"), Word::Number(1)]), superseded);
        let late = read(&[text("stale"), Word::Number(1), text("7")]);
        assert_eq!(late, Ok(Answer::Late(1, 7)));
        for unknown in [
            &[text("OK")][..],
            &[],
            &[text("committed"), Word::Number(1)],
            &[text("superseded")],
            &[text("conflict"), Word::Number(0)],
            &[text("overtaken"), Word::Number(0)],
            &[text("stale"), Word::Number(0), text("late")],
            &[Word::Number(1)],
        ] {
            let error = read(unknown).unwrap_err();
            assert!(error.starts_with("a script gave an answer"), "{error}");
        }
    }
}
