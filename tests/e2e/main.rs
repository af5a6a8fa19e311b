//! End to end: the real `bootstrap` behind a Runtime API, a real Redis, S3 over HTTP, guests
//! compiled from source.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
// The future of an invocation has in it those of everything that may be done for one.
#![recursion_limit = "256"]

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
mod failovers;
mod faults;
mod forget;
mod frozen;
mod history;
mod hostile;
mod hostile_messages;
mod interface;
mod kept_plugin_list;
mod large;
mod late_workers;
mod ledger;
mod lifecycle;
mod limits;
mod loss;
mod memory;
mod mirror;
mod objects;
mod observed;
mod operations;
mod order;
mod ownership;
mod payloads;
mod permissions;
mod prefixes;
mod preview;
mod principals;
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
mod verify;
