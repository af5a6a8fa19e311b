//! End to end: the real `bootstrap` behind a Runtime API, a real Redis, S3 over HTTP, guests
//! compiled from source.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod batches;
mod bookkeeping;
mod broken_commits;
mod channels;
mod cluster;
mod commands;
mod compiled;
mod concurrency;
mod confined;
mod connections;
mod convergence;
mod deterministic;
mod dry_run;
mod environment;
mod faults;
mod forget;
mod history;
mod hostile;
mod hostile_messages;
mod large;
mod late_workers;
mod ledger;
mod lifecycle;
mod limits;
mod loss;
mod memory;
mod mirror;
mod objects;
mod operations;
mod order;
mod ownership;
mod payloads;
mod permissions;
<<<<<<< HEAD
mod prefixes;
=======
mod preview;
>>>>>>> 0fdbe99 (What a module would change is told before it is a plugin: preview, publish, rollback, redrive, case; doctor looks at more)
mod queues;
mod reach;
mod readers;
mod redis_memory;
mod refusals;
mod resync;
mod routing;
mod s3;
mod staging;
mod startup;
mod sync;
mod sync_to_the_end;
mod unchanged;
