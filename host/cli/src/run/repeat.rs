//! `run --repeat N`: how long runs take, and that they all come to the same.

use super::show::{document, milliseconds, show};
use crate::Ended;
use crate::case::{Case, Expected};
use crate::runner::Runner;
use crate::screen::{RED, Screen, styled};
use anyhow::Result;
use serde_json::json;
use std::time::Duration;

/// How long runs took.
struct Times {
    least: Duration,
    median: Duration,
    /// Nineteen of twenty took no longer.
    late: Duration,
    most: Duration,
}

impl Times {
    /// Of at least one run.
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| {
            let last = times.len().saturating_sub(1);
            times.get(last * share / 100).copied().unwrap_or_default()
        };
        Self {
            least: at(0),
            median: at(50),
            late: at(95),
            most: at(100),
        }
    }
}

/// Runs a case many times; ends badly where it fails, or comes to different ends.
pub(super) async fn repeat(
    runner: &Runner,
    case: &Case,
    number: u32,
    screen: &Screen,
) -> Result<Ended> {
    let first = runner.run(case).await;
    let expected = Expected::of(&first);
    let (mut times, mut differs) = (vec![first.time], 0_u32);
    for _ in 1..number {
        let ran = runner.run(case).await;
        times.push(ran.time);
        differs += u32::from(Expected::of(&ran) != expected);
    }
    let times = Times::of(times);
    show(screen, case, &first);
    screen.say(format!(
        "{number} runs: {} ms at the least, {} ms in the middle, {} ms for 95 of 100, {} ms at the most",
        milliseconds(times.least),
        milliseconds(times.median),
        milliseconds(times.late),
        milliseconds(times.most),
    ));
    if differs > 0 {
        let said =
            format!("{differs} of them came to other entries, or took other fuel, than the first");
        screen.say(format!("{} {said}", styled(RED, "✗")));
    }
    let mut document = document(case, &first);
    document["repeat"] = json!({
        "runs": number,
        "differing_runs": differs,
        "least_ms": milliseconds(times.least),
        "median_ms": milliseconds(times.median),
        "p95_ms": milliseconds(times.late),
        "most_ms": milliseconds(times.most),
    });
    screen.document(&document);
    Ok(Ended::well_if(differs == 0 && first.result.is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_is_that_of_the_sorted_times() {
        let times = (1..=101).rev().map(Duration::from_millis).collect();
        let Times {
            least,
            median,
            late,
            most,
        } = Times::of(times);
        let milliseconds = [least, median, late, most].map(|time| time.as_millis());
        assert_eq!(milliseconds, [1, 51, 96, 101]);
    }
}
