//! One run of a plugin on one object.

use super::bindings::redis_sync::transform::types;
use super::error::Failure;
use super::guest_log::{GuestLog, Speaker};
use super::input::Input;
use super::limits::MAX_HANDLES;
use super::memory::{HostLimit, MemoryLimit, NoRoom, Room};
use super::plugin::{Entrance, Plugin};
use super::random::RandomLimit;
use super::state::State;
use super::stdio::OutputLimit;
use crate::budget::Held;
use crate::entry::footprint;
use crate::entry::{Entry, Value, document, total_size};
use crate::number::to_u64;
use crate::object::Object;
use crate::route::Output;
use crate::settings::Limits;
use crate::text::clip;
use std::time::Instant;
use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;

/// What wasmtime says where a guest hands over more than is taken at a time. The type of that
/// error is private, so its text is all there is; a test holds the two together.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

/// How a run ended.
pub struct Ran {
    /// Fuel it used.
    pub fuel: u64,
    /// The most memory that the guest had, in bytes.
    pub memory_bytes: u64,
    /// What it yields, or why it failed.
    pub result: Result<Yield, Failure>,
}

/// What a run yields, and the memory that was taken for it.
pub struct Yield {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where their memory is accounted for.
    pub held: Held,
}

impl Plugin {
    /// Runs the plugin in a fresh instance. Blocks until it is done or a limit is reached: not for
    /// an async thread.
    pub fn run(&self, input: &Input<'_>) -> Ran {
        let (output, body) = (input.limits.output_bytes, input.object.body.len());
        let (first, most) = (
            footprint::first_copied(output, body),
            footprint::most_copied(output),
        );
        let speaker = Speaker {
            plugin: input.plugin.into(),
            object: input.object.key.as_str().into(),
        };
        let (started, waited) = (Instant::now(), input.account.waited());
        let (ran, wants_more) = self.attempt(input, first, GuestLog::new(Some(speaker)));
        if !wants_more || first >= most {
            return ran;
        }
        drop(ran);
        // What the first attempt took is not the plugin's: it has its whole time for the second one. What
        // it waited is excused already.
        let waited = input.account.waited().saturating_sub(waited);
        input
            .account
            .excuse(started.elapsed().saturating_sub(waited));
        // It says the same again, which need not be heard twice.
        self.attempt(input, most, GuestLog::new(None)).0
    }

    /// Runs it once; also whether it wanted to hand over more than those bytes.
    fn attempt(&self, input: &Input<'_>, copied: u64, log: GuestLog) -> (Ran, bool) {
        let limits = &input.limits;
        let mut store = Store::new(&self.engine, State::new(input, self.kind(), log));
        let room = store.data().room.clone();
        let copies = match room.take(footprint::of_copies(copied)) {
            Ok(copies) => copies,
            Err(error) => return (Ran::failed(0, failure(&error.into(), limits)), false),
        };
        self.limit(&mut store, limits, copied);
        let ended = store
            .set_fuel(limits.fuel)
            .and_then(|()| self.enter(&mut store, input));
        let fuel = limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0));
        let state = store.data();
        let memory_bytes = to_u64(state.memory.taken());
        let (output, output_held) = state.stdout.finish();
        state.stderr.finish();
        let last_error = state.log.lock().finish();
        // The guest's own memory goes back before its output is read.
        drop(store);
        let mut wants_more = false;
        let result = match ended {
            Ok(Ended::Entries(entries)) => Ok(Yield::holding(entries, copies)),
            Ok(Ended::Exited(true)) => {
                let held = output_held.unwrap_or(copies);
                from_stdout(output, held, &room, input)
            }
            Ok(Ended::Exited(false)) => Err(Failure::Returned(exit_message(last_error))),
            Ok(Ended::Failed(message)) => Err(Failure::Returned(clip(&message).to_owned())),
            Err(error) => {
                wants_more = has_copied_all(&error);
                Err(failure(&error, limits))
            }
        };
        let result = result.and_then(|yielded| within(yielded, limits));
        let ran = Ran {
            fuel,
            memory_bytes,
            result,
        };
        (ran, wants_more)
    }

    /// Sets what bounds a run besides its fuel.
    fn limit(&self, store: &mut Store<State>, limits: &Limits, copied: u64) {
        store.limiter(|state| &mut state.memory);
        store.set_max_component_handles(MAX_HANDLES);
        store.set_hostcall_fuel(usize::try_from(copied).unwrap_or(usize::MAX));
        store.set_epoch_deadline(1);
        let (started, time) = (Instant::now(), limits.time);
        let waited_before = store.data().room.waited();
        store.epoch_deadline_callback(move |mut context| {
            let State { room, deadline, .. } = context.data_mut();
            let over = started + time + (room.waited() - waited_before);
            if Instant::now() >= over {
                return Err(Trap::Interrupt.into());
            }
            // It is another one's time that is over, or this one has waited for its memory.
            if let Some(deadline) = deadline
                && deadline.at() < over
            {
                deadline.put_off(over);
            }
            Ok(UpdateDeadline::Continue(1))
        });
        let deadline = self.deadlines.add(started + time);
        store.data_mut().deadline = Some(deadline);
    }

    fn enter(&self, store: &mut Store<State>, input: &Input<'_>) -> wasmtime::Result<Ended> {
        match &self.entrance {
            Entrance::Transform(transform) => {
                let instance = transform.instantiate(&mut *store)?;
                let object = ObjectForGuest::new(input.object);
                let entries = instance.call_transform(store, object.param(input.object))?;
                Ok(match entries {
                    Ok(entries) => Ended::Entries(entries.into_iter().map(Entry::from).collect()),
                    Err(message) => Ended::Failed(message),
                })
            }
            Entrance::Command(command) => {
                let instance = command.instantiate(&mut *store)?;
                let run = instance.wasi_cli_run().call_run(store);
                exited(run.map(|status| status.is_ok()))
            }
            Entrance::Program(program) => exited(program.run(store).map(|()| true)),
        }
    }
}

impl Ran {
    fn failed(fuel: u64, failure: Failure) -> Self {
        Self {
            fuel,
            memory_bytes: 0,
            result: Err(failure),
        }
    }
}

impl Yield {
    /// Gives back what the entries do not need of it.
    fn holding(entries: Vec<Entry>, mut held: Held) -> Self {
        held.shrink(footprint::of_entries(&entries));
        Self { entries, held }
    }
}

/// How a guest ended by itself.
enum Ended {
    Entries(Vec<Entry>),
    Failed(String),
    Exited(bool),
}

fn exited(run: wasmtime::Result<bool>) -> wasmtime::Result<Ended> {
    match run {
        Ok(is_success) => Ok(Ended::Exited(is_success)),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(status)) => Ok(Ended::Exited(*status == 0)),
            None => Err(error),
        },
    }
}

fn exit_message(last_error: String) -> String {
    if last_error.is_empty() {
        "exited with a status other than 0 and said nothing on stderr".to_owned()
    } else {
        last_error
    }
}

fn from_stdout(
    output: Vec<u8>,
    held: Held,
    room: &Room,
    input: &Input<'_>,
) -> Result<Yield, Failure> {
    match input.output {
        Output::Value => Ok(Yield {
            entries: vec![Entry {
                key: input.object.key.clone(),
                value: Value::Bytes(output),
                ttl_seconds: None,
            }],
            held,
        }),
        Output::Entries => {
            let parsed = room
                .take(footprint::of_document(to_u64(output.len())))
                .map_err(|error| failure(&error.into(), &input.limits))?;
            let entries = document::parse(&output).map_err(|problem| {
                Failure::Returned(format!("its stdout is not an entries document: {problem}"))
            })?;
            drop((output, held));
            Ok(Yield::holding(entries, parsed))
        }
    }
}

fn within(yielded: Yield, limits: &Limits) -> Result<Yield, Failure> {
    if total_size(&yielded.entries) > limits.output_bytes {
        return Err(Failure::OutputTooLarge(limits.output_bytes));
    }
    Ok(yielded)
}

/// Whether the guest handed over more than was taken for it.
fn has_copied_all(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains(HOSTCALL_FUEL)
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
    if has_copied_all(error) {
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
        || error.is::<NoRoom>()
        || error.is::<wasmtime::PoolConcurrencyLimitError>()
        || error.chain().any(|cause| cause.is::<std::io::Error>())
}

/// The object as a guest is given it, without a copy of its body.
struct ObjectForGuest<'a> {
    metadata: Vec<(&'a str, &'a str)>,
}

impl<'a> ObjectForGuest<'a> {
    fn new(object: &'a Object) -> Self {
        let metadata = object.metadata.iter();
        Self {
            metadata: metadata
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
        }
    }

    fn param(&'a self, object: &'a Object) -> types::Object<'a> {
        types::Object {
            bucket: &object.bucket,
            key: &object.key,
            etag: &object.etag,
            version_id: object.version_id.as_deref(),
            last_modified: object.last_modified,
            content_type: object.content_type.as_deref(),
            metadata: &self.metadata,
            body: &object.body,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_lacks_is_told_from_what_a_guest_does() {
        let out_of_memory = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        let of_host: [wasmtime::Error; 2] = [NoRoom.into(), out_of_memory.into()];
        assert!(of_host.iter().all(is_of_host));
        let of_guest: [wasmtime::Error; 2] = [MemoryLimit.into(), Trap::OutOfFuel.into()];
        assert!(!of_guest.iter().any(is_of_host));
    }
}
