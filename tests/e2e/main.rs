//! End to end: the real `bootstrap` behind a Runtime API, a real Redis, S3 over HTTP, guests
//! compiled from source.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod channels;
mod cluster;
mod connections;
mod convergence;
mod faults;
mod history;
mod ledger;
mod hostile;
mod lifecycle;
mod limits;
mod operations;
mod order;
mod resync;
mod routing;
mod s3;
mod startup;
mod world;
mod ownership;
mod readers;
mod scenario;
mod unchanged;
