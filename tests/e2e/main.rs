//! End to end: the real `bootstrap` behind a Runtime API, a real Redis, S3 over HTTP, guests
//! compiled from source.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod channels;
mod cluster;
mod compiled;
mod connections;
mod convergence;
mod deterministic;
mod faults;
mod history;
mod hostile;
mod ledger;
mod lifecycle;
mod limits;
mod loss;
mod operations;
mod order;
mod ownership;
mod reach;
mod readers;
mod resync;
mod routing;
mod s3;
mod scenario;
mod startup;
mod unchanged;
mod world;
