use super::*;
use futures::FutureExt;
use proptest::prelude::*;
use std::time::Duration;

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(5)
}

fn open(budget: &Budget, most: u64, first: u64) -> (Account, Held) {
    budget.try_open(most, first, soon()).unwrap().unwrap()
}

#[test]
fn what_is_dropped_is_given_back() {
    let budget = Budget::new(100);
    let (account, mut first) = open(&budget, 80, 10);
    let second = account.take(30).now_or_never().unwrap();
    assert_eq!(budget.held(), 40);
    first.join(second);
    first.shrink(25);
    assert_eq!((budget.held(), first.bytes()), (25, 25));
    drop(account);
    assert_eq!(budget.held(), 25);
    drop(first);
    assert_eq!(budget.held(), 0);
}

#[test]
fn the_most_that_was_held_is_told_once() {
    let budget = Budget::new(100);
    let (account, first) = open(&budget, 80, 10);
    drop(account.take(30).now_or_never().unwrap());
    assert_eq!(budget.take_peak(), 40);
    assert_eq!(budget.take_peak(), 10, "what is still held");
    drop((account, first));
    assert_eq!((budget.take_peak(), budget.take_peak()), (10, 0));
}

#[test]
fn what_can_never_be_given_is_refused_with_the_numbers() {
    let refused = Budget::new(100 << 20)
        .try_open(101 << 20, 0, soon())
        .err()
        .unwrap();
    let said = refused.to_string();
    assert!(said.contains("may need 101 MiB of memory, and there are 100"));
    assert!(said.contains("MEMORY_BUDGET_MIB"));
}

#[test]
fn nobody_is_given_what_another_one_needs_to_come_to_its_end() {
    let budget = Budget::new(100);
    let (first, held) = open(&budget, 80, 30);
    // The second could not go on to its 90 before the first has ended, for which 50 are left.
    let (second, other) = open(&budget, 90, 20);
    assert!(second.take(1).now_or_never().is_none());
    let more = first.take(50).now_or_never().unwrap();
    drop((more, held, first));
    assert!(second.take(50).now_or_never().is_some());
    drop(other);
}

/// Modules on their way to a compiler that takes two at a time, in a function of 1024 MiB: each was opened for
/// the largest module there may be.
#[test]
fn who_needs_less_than_was_said_does_not_wait_for_those_who_wait_for_its_turn() {
    const COMPILING: u64 = 448;
    for sizes in [
        vec![1, 1, 40, 40, 40, 40, 40],
        [vec![2; 2], vec![13; 15]].concat(),
    ] {
        let budget = Budget::new(704);
        let modules: Vec<_> = sizes
            .iter()
            .map(|&size| open(&budget, 64 + COMPILING, size))
            .collect();
        let compile = |account: &Account| account.take(COMPILING).now_or_never();
        let has_turn: Vec<&Account> = modules.iter().map(|(account, _)| account).take(2).collect();
        assert!(has_turn.iter().all(|account| compile(account).is_none()));
        for (account, _) in &modules {
            account.needs_at_most(COMPILING).unwrap();
        }
        for account in has_turn {
            assert!(compile(account).is_some(), "{sizes:?}");
        }
    }
}

#[test]
fn who_needs_more_beside_what_is_held_than_there_is_is_told_with_the_numbers() {
    let budget = Budget::new(100 << 20);
    let (account, _held) = open(&budget, 100 << 20, 30 << 20);
    assert_eq!(account.needs_at_most(70 << 20), Ok(()));
    let never = account.needs_at_most(71 << 20).unwrap_err().to_string();
    assert!(never.contains("may need 101 MiB of memory, and there are 100"));
}

#[tokio::test]
async fn who_waits_is_given_what_another_one_does_not_need_any_more() {
    let budget = Budget::new(100);
    let (first, _held) = open(&budget, 90, 10);
    let (second, _held) = open(&budget, 90, 10);
    let waiting = second.take(20);
    tokio::pin!(waiting);
    let _taken = first.take(30).now_or_never().unwrap();
    assert!(waiting.as_mut().now_or_never().is_none());
    first.needs_at_most(0).unwrap();
    assert!(waiting.as_mut().now_or_never().is_some());
}

#[tokio::test]
async fn accounts_are_opened_in_order_and_large_ones_get_their_turn() {
    let budget = Budget::new(100);
    let (_account, held) = open(&budget, 60, 60);
    let large = budget.open(90, 90, soon());
    let small = budget.open(10, 10, soon());
    tokio::pin!(large, small);
    assert!(large.as_mut().now_or_never().is_none());
    assert!(small.as_mut().now_or_never().is_none());
    drop((held, _account));
    assert!(large.await.is_ok());
    assert!(small.await.is_ok());
}

#[test]
fn a_wait_that_blocks_ends_with_room_or_in_time() {
    let budget = Budget::new(100);
    let (one, held) = open(&budget, 100, 100);
    let (other, _) = open(&budget, 50, 0);
    assert!(other.take_blocking(1).is_none());
    let late = Instant::now() + Duration::from_mins(1);
    let (patient, _) = budget.try_open(50, 0, late).unwrap().unwrap();
    let waiting = std::thread::spawn({
        let patient = patient.clone();
        move || patient.take_blocking(50).is_some()
    });
    while patient.waited() == Duration::ZERO {
        std::thread::yield_now();
    }
    drop((one, held));
    assert!(waiting.join().unwrap());
}

/// What a worker does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open {
        worker: usize,
        most: u64,
        first: u64,
    },
    Take {
        worker: usize,
        bytes: u64,
    },
    GiveBack {
        worker: usize,
    },
    NeedLess {
        worker: usize,
        bytes: u64,
    },
    End {
        worker: usize,
    },
}

const WORKERS: usize = 6;
const TOTAL: u64 = 100;

fn step() -> impl Strategy<Value = Step> {
    let worker = 0..WORKERS;
    prop_oneof![
        (worker.clone(), 1..=TOTAL, 0..=20_u64).prop_map(|(worker, most, first)| Step::Open {
            worker,
            most,
            first: first.min(most)
        }),
        (worker.clone(), 1..=40_u64).prop_map(|(worker, bytes)| Step::Take { worker, bytes }),
        worker.clone().prop_map(|worker| Step::GiveBack { worker }),
        (worker.clone(), 0..=40_u64).prop_map(|(worker, bytes)| Step::NeedLess { worker, bytes }),
        worker.prop_map(|worker| Step::End { worker }),
    ]
}

struct Worker {
    account: Account,
    most: u64,
    held: Vec<Held>,
}

impl Worker {
    fn bytes(&self) -> u64 {
        self.held.iter().map(Held::bytes).sum()
    }
}

proptest! {
    /// Whatever was given, never more than there is, and afterwards each worker in turn can be given
    /// all that it said it may need, if those that can end do. Seen to notice: `is_safe` that is
    /// always true; that looks at the largest need only among those which hold nothing; that does not
    /// sort; `give` that does not put back what it could not give; `shrink` that gives back nothing.
    #[test]
    fn everybody_can_always_come_to_an_end(steps in prop::collection::vec(step(), 0..60)) {
        let budget = Budget::new(TOTAL);
        let mut workers: [Option<Worker>; WORKERS] = Default::default();
        for step in steps {
            match step {
                Step::Open { worker, most, first } if workers[worker].is_none() => {
                    workers[worker] = budget.try_open(most, first, soon()).unwrap().map(|(account, held)| {
                        Worker { account, most, held: vec![held] }
                    });
                }
                Step::Take { worker, bytes } => {
                    if let Some(worker) = &mut workers[worker]
                        && worker.bytes() + bytes <= worker.most
                        && let Some(held) = worker.account.take(bytes).now_or_never()
                    {
                        worker.held.push(held);
                    }
                }
                Step::GiveBack { worker } => {
                    if let Some(worker) = &mut workers[worker] {
                        worker.held.pop();
                    }
                }
                Step::NeedLess { worker, bytes } => {
                    if let Some(worker) = &mut workers[worker]
                        && worker.account.needs_at_most(bytes).is_ok()
                    {
                        worker.most = worker.most.min(worker.bytes() + bytes);
                    }
                }
                Step::End { worker } => workers[worker] = None,
                Step::Open { .. } => {}
            }
            let held: u64 = workers.iter().flatten().map(Worker::bytes).sum();
            prop_assert_eq!(budget.held(), held);
            prop_assert!(held <= TOTAL);
        }
        let mut left: Vec<Worker> = workers.into_iter().flatten().collect();
        while !left.is_empty() {
            let able = left.iter().position(|worker| {
                let need = worker.most - worker.bytes();
                worker.account.take(need).now_or_never().is_some()
            });
            prop_assert!(able.is_some(), "{} wait for each other", left.len());
            left.swap_remove(able.unwrap());
        }
    }
}
