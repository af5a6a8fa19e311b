//! Bringing many objects up to date: everything under a prefix, or whatever a changed plugin affects.
//!
//! [`merge`] joins the listing and the index; [`up_to_date`] says which of these objects may be
//! skipped; [`objects`] has the others take the way of every changed object, be tried without writing, or go to the
//! queue ([`Mode`]). Then [`orphans`] removes what no record leads to. Objects that failed when they were
//! last tried, and would be made from the same again, come last, so that slow failures keep nothing
//! else from being done: in a pass of their own, where one invocation does not suffice. [`summary`] is what became of
//! all of them.

mod chain;
mod merge;
mod mode;
mod objects;
mod orphans;
mod plugin_change;
mod span;
mod summary;
mod underway;
mod up_to_date;

pub(crate) use chain::send_rest;
pub use mode::{By, Mode};
pub(crate) use objects::before;
pub(crate) use plugin_change::PluginChange;
pub use span::Span;
pub use summary::Summary;
pub use up_to_date::Compare;

use crate::event::Chain;
use crate::pipeline::Pipeline;
use objects::FullSync;
use std::time::Instant;

/// Goes through the objects of `span`, then through all keys that objects of it own, from where the search for stray
/// keys was in the part before of its `chain`. What does not fit before `deadline` is left, and the summary says so: the
/// same call again skips what is done.
pub async fn run(
    pipeline: &Pipeline,
    span: &Span,
    mode: Mode<'_>,
    compare: Compare,
    chain: &Chain,
    deadline: Instant,
) -> Summary {
    let begun = FullSync::begin(pipeline, span, mode, compare, chain, deadline).await;
    let mut sync = match begun {
        Ok(sync) => sync,
        Err(mut summary) => {
            summary.search = chain.place();
            return summary;
        }
    };
    sync.summary.search = chain.place();
    sync.objects().await;
    if sync.summary.stopped.is_none() && !chain.last {
        let removed = orphans::remove(&mut sync).await;
        sync.summary.stopped = removed.err().map(|why| {
            format!("stopped while looking for stray keys, call again for the rest: {why}")
        });
    }
    sync.end_with_last().await;
    if sync.summary.stopped.is_none() {
        sync.summary.end_pass(chain);
    }
    sync.summary
}
