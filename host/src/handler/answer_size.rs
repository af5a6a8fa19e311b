//! Answers are bounded: Lambda refuses one of more than 6 MB, and the work would count as failed
//! though it was done.

use crate::report::Report;
use serde::Serialize;
use std::io::{self, Write};

/// The largest answer, in bytes of JSON. Lambda takes 6 MB of a synchronous invocation (AWS Lambda
/// developer guide, "Lambda quotas"), and wraps some of them.
pub(super) const MAX_ANSWER_BYTES: usize = 5 << 20;

/// Bytes of a value as JSON.
pub(super) fn json_size(value: &impl Serialize) -> usize {
    let mut counter = Counter(0);
    // Counting does not fail, and what cannot be JSON is no answer.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

/// A report that fits: where it does not, its last objects are left out, and its message says so.
pub(super) fn cut(mut report: Report) -> Report {
    let all = report.objects.len();
    let mut size = json_size(&report);
    while size > MAX_ANSWER_BYTES {
        let Some(last) = report.objects.pop() else {
            break;
        };
        size -= json_size(&last) + 1;
    }
    if report.objects.len() < all {
        let listed = report.objects.len();
        report.message += &format!("; the first {listed} of them are listed here");
    }
    report
}

/// Counts what is written.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{ObjectReport, Outcome};

    #[test]
    fn a_report_that_is_too_large_is_cut_and_says_so() {
        let done = |number| ObjectReport::done(format!("{number:01000}"), Outcome::Synced);
        let cut_to = |objects: usize| cut(Report::new((0..objects).map(done).collect()));
        let small = cut_to(3);
        assert_eq!(small.objects.len(), 3);
        assert_eq!(small.message, "3 objects done");
        let large = cut_to(10_000);
        assert!(json_size(&large) <= MAX_ANSWER_BYTES);
        let listed = large.objects.len();
        assert!((4000..5000).contains(&listed), "{listed}");
        let said = format!("10000 objects done; the first {listed} of them are listed here");
        assert_eq!(large.message, said);
    }
}
