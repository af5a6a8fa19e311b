//! Keeps Redis equal to an S3 config bucket, seen through sandboxed WebAssembly transforms.
//!
//! One change goes this way:
//!
//! ```text
//! event -> changes -> ticket -> (plugin list, object) -> sandbox -> entries -> commit to Redis
//! ```
//!
//! [`event`] turns what a channel delivered into changed object keys. The [`ledger`] hands out a
//! ticket for each of them, *then* everything that decides the result is read: the plugin list with
//! its manifest ([`route`]), the object ([`store`]), the modules ([`plugin`]). The [`sandbox`] runs
//! the plugins, and the ledger commits what they returned, unless a later ticket has committed. S3
//! reads are strongly consistent, so whoever holds a later ticket has read a state at least as new:
//! that is the whole reason why Redis converges although events are duplicated and out of order.
//!
//! [`pipeline`] is that way of one object; [`full_sync`] is the same for all objects of the bucket
//! that are not up to date; [`handler`] is one invocation of the Lambda around them.
//!
//! # Words
//!
//! | word | what it means here |
//! | --- | --- |
//! | ticket | a number per object, handed out by Redis, that only grows; the right to commit what is read from now on |
//! | record | what Redis keeps of an object: its tickets, what was committed, its keys, its last failure |
//! | owner | which object wrote a Redis key, and under which ticket |
//! | part | on a cluster, what a hash slot keeps of an object; its record is in one slot, at home |
//! | reservation | on a cluster, a key that a commit is to write, kept from others before the first slot is written to |
//! | staged | of a large value: sent piece by piece, under a key of its own, before its commit |
//! | orphan | a Redis key that its owner does not yield any more, though no record says so; users are told of stray keys |
//! | generation | a number that is raised for each change of a plugin; a plugin list is kept for one |
//! | span | a stretch of the bucket: the objects under a prefix, or one of them, from some place on |
//! | index, listing | the objects that have a record; the objects that are in the bucket |
//! | plugin list | the modules and the manifest under the plugins' prefix, as one listing had them |
//! | budget, account | the memory that all work may take together; one piece of work's part of it |
//! | room | the part of an account that an object's entries have until they are committed |
//! | proposal, verdict | what one object is to be, with its ticket; what the ledger makes of it |
//! | basis, fingerprint | digests of whatever decides an object's entries, without and with its version, time and metadata |
//! | unchanged | the entries come out as they are recorded: the ticket is committed, nothing is written |
//! | full sync, skip | going through listing and index; passing an object by that is provably up to date |
//! | candidate, trial | a module that may become a plugin; running one without a bucket or Redis |
//! | module, plugin, artifact | WebAssembly as its author uploaded it; the same ready to run; its machine code, kept outside the process |
//! | command, program | a plugin that is run as a program, once an object: as a component, or a core module |
//!
//! # The map
//!
//! Imports point down only, also not sideways: `tests/map` reads this list.
//!
//! ```text
//! bin
//! handler
//! full_sync
//! pipeline
//! plugin
//! sandbox store queue ledger
//! route event aws settings
//! entry object report telemetry work key
//! invocation
//! metrics
//! budget fingerprint
//! number text
//! ```

pub mod aws;
pub mod budget;
pub mod entry;
pub mod event;
pub mod fingerprint;
pub mod full_sync;
pub mod handler;
pub mod invocation;
mod key;
pub mod ledger;
pub mod metrics;
mod number;
pub mod object;
pub mod pipeline;
pub mod plugin;
pub mod queue;
pub mod report;
pub mod route;
pub mod sandbox;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod work;
