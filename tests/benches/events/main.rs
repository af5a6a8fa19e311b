//! The way of an event, of a start and of a full sync, with real parts: each figure beside what it is
//! measured against, in the same run, and how they grow.
//!
//! ```text
//! make bench
//! ```
//!
//! Ratios count: the machine is shared by the function, S3 and Redis. `PEER` is the launcher of the
//! handler in Python that does the same reads and writes (`tests/peers/handler`); without it, the figures
//! stand alone. `JAVASCRIPT` is the module of the plugin in JavaScript. `EVENTS` sets how many events are
//! timed, `SYNC_OBJECTS` how many objects the largest full sync has.
#![expect(clippy::print_stdout, reason = "what it shows is what it is for")]

mod cold;
mod many;
mod stage;
mod warm;

use anyhow::Result;
use redis_sync_tests::figures::Figures;

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo bench` hands its own arguments on.
    let mut figures = Figures::new("events");
    warm::events(&mut figures).await?;
    warm::plugins(&mut figures).await?;
    cold::starts(&mut figures).await?;
    cold::throttled_starts(&mut figures).await?;
    many::batch(&mut figures).await?;
    many::full_syncs(&mut figures).await?;
    many::functions(&mut figures).await?;
    println!("{}", figures.write());
    Ok(())
}
