//! One run of a plugin on one object.

use super::bindings::redis_sync::transform::types;
use super::engine::ticks;
use super::error::Failure;
use super::input::Input;
use super::limits::MAX_HANDLES;
use super::memory::{HostLimit, MemoryLimit};
use super::plugin::{Entrance, Plugin};
use super::random::RandomLimit;
use super::state::State;
use super::stdio::OutputLimit;
use crate::entry::{Entry, Value, document, total_size};
use crate::object::Object;
use crate::route::Output;
use crate::settings::Limits;
use crate::text::clip;
use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap};
use wasmtime_wasi::I32Exit;

/// What wasmtime says where a guest hands over more than is taken at a time. The type of that
/// error is private, so its text is all there is; a test holds the two together.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    /// Fuel it used.
    pub fuel: u64,
    /// What it yields, or why it failed.
    pub result: Result<Vec<Entry>, Failure>,
}

impl Plugin {
    /// Runs the plugin in a fresh instance. Blocks until it is done or a limit is reached: not for
    /// an async thread.
    pub fn run(&self, input: &Input<'_>) -> Ran {
        let limits = &input.limits;
        let mut store = Store::new(&self.engine, State::new(input, self.kind()));
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(ticks(limits));
        store.set_max_component_handles(MAX_HANDLES);
        // Room for the entries' own structure beside their content; what counts is checked below.
        store.set_hostcall_fuel(
            limits
                .output_bytes
                .saturating_mul(3)
                .saturating_add(16 << 20),
        );
        let ended = store
            .set_fuel(limits.fuel)
            .and_then(|()| self.enter(&mut store, input));
        let fuel = limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0));
        let state = store.data();
        let output = state.stdout.finish();
        state.stderr.finish();
        let last_error = state.log.lock().finish();
        let result = match ended {
            Ok(Ended::Entries(entries)) => Ok(entries),
            Ok(Ended::Exited(true)) => from_stdout(output, input),
            Ok(Ended::Exited(false)) => Err(Failure::Returned(exit_message(last_error))),
            Ok(Ended::Failed(message)) => Err(Failure::Returned(clip(&message).to_owned())),
            Err(error) => Err(failure(&error, limits)),
        };
        Ran {
            fuel,
            result: result.and_then(|entries| within(entries, limits)),
        }
    }

    fn enter(&self, store: &mut Store<State>, input: &Input<'_>) -> wasmtime::Result<Ended> {
        match &self.entrance {
            Entrance::Transform(transform) => {
                let instance = transform.instantiate(&mut *store)?;
                let entries = instance.call_transform(store, &object_for_guest(input.object))?;
                Ok(match entries {
                    Ok(entries) => Ended::Entries(entries.into_iter().map(Entry::from).collect()),
                    Err(message) => Ended::Failed(message),
                })
            }
            Entrance::Command(command) => {
                let instance = command.instantiate(&mut *store)?;
                match instance.wasi_cli_run().call_run(store) {
                    Ok(status) => Ok(Ended::Exited(status.is_ok())),
                    Err(error) => match error.downcast_ref::<I32Exit>() {
                        Some(I32Exit(status)) => Ok(Ended::Exited(*status == 0)),
                        None => Err(error),
                    },
                }
            }
        }
    }
}

/// How a guest ended by itself.
enum Ended {
    Entries(Vec<Entry>),
    Failed(String),
    Exited(bool),
}

fn exit_message(last_error: String) -> String {
    if last_error.is_empty() {
        "exited with a status other than 0 and said nothing on stderr".to_owned()
    } else {
        last_error
    }
}

fn from_stdout(output: Vec<u8>, input: &Input<'_>) -> Result<Vec<Entry>, Failure> {
    match input.output {
        Output::Value => {
            let key = input.object.key.clone();
            Ok(vec![Entry {
                key,
                value: Value::Bytes(output),
                ttl_seconds: None,
            }])
        }
        Output::Entries => document::parse(&output).map_err(|problem| {
            Failure::Returned(format!("its stdout is not an entries document: {problem}"))
        }),
    }
}

fn within(entries: Vec<Entry>, limits: &Limits) -> Result<Vec<Entry>, Failure> {
    if total_size(&entries) > limits.output_bytes {
        return Err(Failure::OutputTooLarge(limits.output_bytes));
    }
    Ok(entries)
}

/// Tells the limits apart by the engine's own codes and our own types.
fn failure(error: &wasmtime::Error, limits: &Limits) -> Failure {
    if error.is::<MemoryLimit>() {
        return Failure::OutOfMemory(limits.memory_bytes >> 20);
    }
    if error.is::<OutputLimit>() {
        return Failure::OutputTooLarge(limits.output_bytes);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Failure::OutOfFuel(limits.fuel),
        Some(Trap::Interrupt) => Failure::OutOfTime(limits.time),
        Some(Trap::StackOverflow) => Failure::StackOverflow,
        Some(trap) => Failure::Trapped(trap.to_string().replacen("wasm trap: ", "", 1)),
        None => other(error, limits),
    }
}

fn other(error: &wasmtime::Error, limits: &Limits) -> Failure {
    let root = error.root_cause().to_string();
    if root.contains(HOSTCALL_FUEL) {
        return Failure::OutputTooLarge(limits.output_bytes);
    }
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return Failure::Exited(*status);
    }
    if error.is::<RandomLimit>() {
        return Failure::TooRandom;
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        return Failure::TooManyHandles;
    }
    if is_of_host(error) {
        return Failure::Host(root);
    }
    Failure::Trapped(clip(&root).to_owned())
}

/// Whether it was the host that had no memory or no room, and not the guest that failed. Nothing
/// else of a run comes from the operating system: the guest's own calls end in codes, not errors.
fn is_of_host(error: &wasmtime::Error) -> bool {
    error.is::<HostLimit>()
        || error.is::<wasmtime::PoolConcurrencyLimitError>()
        || error.chain().any(|cause| cause.is::<std::io::Error>())
}

fn object_for_guest(object: &Object) -> types::Object {
    types::Object {
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        etag: object.etag.clone(),
        version_id: object.version_id.clone(),
        last_modified: object.last_modified,
        content_type: object.content_type.clone(),
        metadata: object.metadata.clone(),
        body: object.body.to_vec(),
    }
}

impl From<types::Entry> for Entry {
    fn from(entry: types::Entry) -> Self {
        let value = match entry.value {
            types::Value::Bytes(bytes) => Value::Bytes(bytes),
            types::Value::Hash(fields) => Value::Hash(fields),
            types::Value::List(items) => Value::List(items),
            types::Value::Set(members) => Value::Set(members),
            types::Value::SortedSet(members) => Value::SortedSet(members),
        };
        Self {
            key: entry.key,
            value,
            ttl_seconds: entry.ttl_seconds,
        }
    }
}
