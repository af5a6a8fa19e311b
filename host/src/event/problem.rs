//! What is wrong with a payload, or with some of its records.

use crate::text::clip;
use std::fmt;

/// Problems of one payload that are kept; the others are counted.
const MAX_KEPT: usize = 20;

/// Why a payload, or one of its records, is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EventError {
    /// The payload is none that this function knows.
    #[error(
        "unknown payload: expected an S3, SNS, SQS or EventBridge event, an S3 Batch Operations job, or one of {{\"read\": KEY}}, {{\"explain\": KEY}}, {{\"sync\": {{}}}}, {{\"preview\": {{\"module\": KEY}}}}, {{\"forget\": {{\"bucket\": NAME}}}}, {{\"status\": {{}}}}"
    )]
    Unknown,
    /// It is what a destination keeps of an invocation that has done what it was asked for.
    #[error("the invocation that this is of has succeeded: only failed ones are sent again")]
    Succeeded,
    /// It is what a destination keeps of an invocation, without its payload.
    #[error(
        "the payload of the failed invocation was left out, since it is too large for its destination: a full sync does what it asked for"
    )]
    PayloadLeftOut,
    /// The payload is of a known kind but lacks something.
    #[error("malformed {kind}: {problem}")]
    Malformed {
        /// What it looks like.
        kind: &'static str,
        /// What is wrong with it, in 1,000 bytes at the most.
        problem: String,
    },
}

impl EventError {
    pub(super) fn malformed(kind: &'static str, problem: &dyn fmt::Display) -> Self {
        Self::Malformed {
            kind,
            problem: clip(&problem.to_string()).to_owned(),
        }
    }
}

/// What is wrong with the records of a payload: the first 20 problems, and how many there are. A
/// payload of megabytes may have millions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems {
    kept: Vec<EventError>,
    count: usize,
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: EventError) {
        self.count += 1;
        if self.kept.len() < MAX_KEPT {
            self.kept.push(problem);
        }
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.count += other.count;
        let room = MAX_KEPT - self.kept.len();
        self.kept.extend(other.kept.into_iter().take(room));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first 20, and in a last line how many more there are.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let more = self.count - self.kept.len();
        let last = (more > 0).then(|| format!("and {more} more records that cannot be read"));
        self.kept.iter().map(ToString::to_string).chain(last)
    }
}

impl From<EventError> for Problems {
    fn from(problem: EventError) -> Self {
        let mut problems = Self::default();
        problems.push(problem);
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_problems_take_the_room_of_twenty() {
        let mut problems = Problems::default();
        for _ in 0..999_999 {
            problems.push(EventError::malformed("record", &"x".repeat(2000)));
        }
        let mut all = Problems::from(EventError::Unknown);
        all.extend(problems);
        let lines: Vec<String> = all.lines().collect();
        assert_eq!(lines.len(), MAX_KEPT + 1);
        assert_eq!(
            lines[MAX_KEPT],
            "and 999980 more records that cannot be read"
        );
        assert!(lines.iter().all(|line| line.len() < 1100));
    }
}
