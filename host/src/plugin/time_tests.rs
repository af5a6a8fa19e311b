//! What counts as a run's own time, and what does not.

use super::tests::{LIMITS, OTHER, compile, module, run_within, sandbox};
use crate::budget::{Account, Budget};
use crate::sandbox::Failure;
use crate::settings::Limits;
use std::time::{Duration, Instant};

/// A program that takes ten MiB and then never ends.
const ENDLESS: &str = r#"(module (memory (export "memory") 1)
  (func (export "_start") (drop (memory.grow (i32.const 160))) (loop (br 0))))"#;

/// An account that has waited an hour before, and whose budget another one has but for 16 MiB: the run begins, with
/// ten MiB for what it may hand over, and waits when it grows.
fn short_of_memory() -> (Account, impl Drop) {
    let (budget, until) = (
        Budget::new(32 << 20),
        Instant::now() + Duration::from_mins(1),
    );
    let open = |bytes| budget.try_open(bytes, bytes, until).unwrap().unwrap();
    let (account, _) = open(0);
    account.excuse(Duration::from_hours(1));
    (account, open(16 << 20).1)
}

/// Its fuel is for far more than its time.
#[test]
fn a_run_that_waits_for_memory_has_all_of_its_time_besides_and_no_more() {
    let plugin = compile(&sandbox(), &module(ENDLESS));
    let (account, others) = short_of_memory();
    let limits = Limits {
        fuel: 20_000_000_000,
        time: Duration::from_millis(200),
        ..LIMITS
    };
    let before = account.waited();
    let ((started, ended), ran) = std::thread::scope(|threads| {
        let run = threads.spawn(|| {
            let started = Instant::now();
            let ran = run_within(&plugin, "o", limits, &account);
            ((started, Instant::now()), ran)
        });
        while account.waited() < before + limits.time * 2 {
            std::thread::yield_now();
        }
        drop(others);
        run.join().unwrap()
    });
    let failure = ran.result.err();
    assert_eq!(failure, Some(Failure::OutOfTime(limits.time)));
    let waited = account.waited() - before;
    assert!(ended - started >= waited + limits.time);
}

/// Only a repetition is excused.
#[test]
fn what_hands_over_little_is_run_once() {
    let plugin = compile(&sandbox(), &module(OTHER));
    let account = Account::unbounded();
    let limits = Limits {
        output_bytes: 64 << 20,
        ..LIMITS
    };
    assert!(run_within(&plugin, "o", limits, &account).result.is_ok());
    assert_eq!(account.waited(), Duration::ZERO);
}
