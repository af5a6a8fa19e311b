//! Programs: core modules that run on WASI preview 1 as they are.
//!
//! Making components of them would put an adapter's page into their memory, which allocators that take
//! all growth for their own, Go's for one, write over. The functions are wasmtime's, over the same
//! context as a component's WASI: no directory, no socket, streams of ours, the environment that the
//! contract names. Those that would wait, take memory of the host or end otherwise than other plugins
//! do are our own.

use super::limits::MAX_RANDOM_BYTES;
use super::random::RandomLimit;
use super::state::State;
use wasmtime::{Caller, Engine, Error, Extern, InstancePre, Linker, Memory, Result};
use wasmtime_wasi::{I32Exit, p1};

/// The module that a program imports WASI from.
const WASI: &str = "wasi_snapshot_preview1";

/// The function that a program starts with.
const START: &str = "_start";

/// Codes of errors, as WASI numbers them.
mod errno {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const BADF: u16 = 8;
    pub(super) const FAULT: u32 = 21;
    pub(super) const INVAL: u32 = 28;
}

/// A program that is linked.
#[derive(Clone)]
pub(super) struct Program(InstancePre<State>);

/// Everything that a program can import.
pub(super) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_sync(&mut linker, State::wasi)?;
    linker.allow_shadowing(true);
    linker.func_wrap(WASI, "poll_oneoff", poll)?;
    linker.func_wrap(WASI, "random_get", random)?;
    linker.func_wrap(WASI, "proc_exit", exit)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

impl Program {
    /// `None` where there is nothing to start.
    pub(super) fn new(linked: InstancePre<State>) -> Option<Self> {
        let start = linked.module().get_export(START)?;
        let is_start = start
            .func()
            .is_some_and(|start| start.params().len() + start.results().len() == 0);
        is_start.then_some(Self(linked))
    }

    pub(super) fn module(&self) -> &wasmtime::Module {
        self.0.module()
    }

    /// Runs it to its end.
    pub(super) fn run(&self, store: &mut wasmtime::Store<State>) -> Result<()> {
        // Nothing that it hands over is copied by its size: streams take it in chunks.
        store.set_hostcall_fuel(usize::MAX);
        let instance = self.0.instantiate(&mut *store)?;
        let start = instance.get_typed_func::<(), ()>(&mut *store, START)?;
        start.call(store, ())
    }
}

fn exit(_: Caller<'_, State>, status: i32) -> Result<()> {
    Err(I32Exit(status).into())
}

fn random(mut caller: Caller<'_, State>, at: u32, length: u32) -> Result<u32> {
    if u64::from(length) > MAX_RANDOM_BYTES {
        return Err(RandomLimit.into());
    }
    let memory = memory(&mut caller)?;
    let (memory, state) = memory.data_and_store_mut(&mut caller);
    Ok(match slice(memory, at, length) {
        Some(bytes) => {
            state.random.fill(bytes);
            errno::SUCCESS
        }
        None => errno::FAULT,
    })
}

/// What a program waits for.
struct Subscription {
    userdata: [u8; 8],
    kind: u8,
    /// Of a clock, how long or until when; of a stream, its descriptor.
    clock: ClockWait,
    stream: u32,
}

#[derive(Clone, Copy)]
struct ClockWait {
    is_monotonic: bool,
    is_absolute: bool,
    nanoseconds: u64,
}

/// Subscriptions of one call: going through them takes no fuel.
const MAX_SUBSCRIPTIONS: u32 = 10_000;

/// Sizes of a subscription and an event, and the kinds of both.
const SUBSCRIPTION: u32 = 48;
const EVENT: u32 = 32;
const CLOCK: u8 = 0;
const WRITE: u8 = 2;

/// Streams are always ready. Where only clocks are waited for, the first of them is moved to its time
/// and is over, as for any plugin: nobody waits.
fn poll(
    mut caller: Caller<'_, State>,
    subscriptions: u32,
    events: u32,
    number: u32,
    written: u32,
) -> Result<u32> {
    if number == 0 {
        return Ok(errno::INVAL);
    }
    let memory = memory(&mut caller)?;
    let (memory, state) = memory.data_and_store_mut(&mut caller);
    let read = |memory: &mut [u8], place: u32| {
        let at = subscriptions.checked_add(place.checked_mul(SUBSCRIPTION)?)?;
        subscription(slice(memory, at, SUBSCRIPTION)?)
    };
    if read(memory, number - 1).is_none() {
        return Ok(errno::FAULT);
    }
    if number > MAX_SUBSCRIPTIONS {
        return Ok(errno::INVAL);
    }
    let asked = state.clock.get();
    let (mut has_stream, mut first) = (false, u64::MAX);
    for place in 0..number {
        match read(memory, place) {
            None => return Ok(errno::FAULT),
            Some(wait) if wait.kind == CLOCK => {
                first = first.min(wait.clock.due(asked));
            }
            Some(wait) if wait.kind <= WRITE => has_stream = true,
            Some(_) => return Ok(errno::INVAL),
        }
    }
    if !has_stream {
        state.clock.move_to(first);
    }
    let now = state.clock.get();
    let mut count = 0;
    for place in 0..number {
        let Some(wait) = read(memory, place) else {
            return Ok(errno::FAULT);
        };
        if wait.kind == CLOCK && wait.clock.due(asked) > now {
            continue;
        }
        let at = events.checked_add(count * EVENT);
        let Some(event) = at.and_then(|at| slice(memory, at, EVENT)) else {
            return Ok(errno::FAULT);
        };
        wait.tell(event);
        count += 1;
    }
    let Some(place) = slice(memory, written, 4) else {
        return Ok(errno::FAULT);
    };
    place.copy_from_slice(&count.to_le_bytes());
    Ok(errno::SUCCESS)
}

fn subscription(bytes: &[u8]) -> Option<Subscription> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    Some(Subscription {
        userdata: bytes.get(..8)?.try_into().ok()?,
        kind: *bytes.get(8)?,
        stream: word(16)?,
        clock: ClockWait {
            is_monotonic: word(16)? == 1,
            is_absolute: bytes.get(40)? & 1 == 1,
            nanoseconds: long(24)?,
        },
    })
}

impl ClockWait {
    /// When it is over, by the monotonic clock, if it was asked for at that time. The wall clock stands
    /// still, so a time of it is due.
    fn due(self, asked: u64) -> u64 {
        match (self.is_absolute, self.is_monotonic) {
            (false, _) => asked.saturating_add(self.nanoseconds),
            (true, true) => self.nanoseconds,
            (true, false) => asked,
        }
    }
}

impl Subscription {
    /// Writes the event that it has come.
    fn tell(&self, event: &mut [u8]) {
        let error = match self.kind {
            CLOCK => 0,
            _ if self.stream > 2 => errno::BADF,
            _ => 0,
        };
        let bytes: u64 = if self.kind == CLOCK { 0 } else { 1 };
        event.fill(0);
        event[..8].copy_from_slice(&self.userdata);
        event[8..10].copy_from_slice(&error.to_le_bytes());
        event[10] = self.kind;
        event[16..24].copy_from_slice(&bytes.to_le_bytes());
    }
}

fn memory(caller: &mut Caller<'_, State>) -> Result<Memory> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory),
        _ => Err(Error::msg("it exports no memory named `memory`")),
    }
}

fn slice(memory: &mut [u8], at: u32, length: u32) -> Option<&mut [u8]> {
    let (at, length) = (usize::try_from(at).ok()?, usize::try_from(length).ok()?);
    memory.get_mut(at..at.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the preview 1 witx lays it out.
    fn bytes(kind: u8, first: u32, nanoseconds: u64, flags: u16) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..8].copy_from_slice(b"userdata");
        bytes[8] = kind;
        bytes[16..20].copy_from_slice(&first.to_le_bytes());
        bytes[24..32].copy_from_slice(&nanoseconds.to_le_bytes());
        bytes[40..42].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    #[test]
    fn a_clock_is_due_by_its_kind_and_flags() {
        let due = |clock, nanoseconds, flags| {
            let wait = subscription(&bytes(CLOCK, clock, nanoseconds, flags)).unwrap();
            wait.clock.due(1000)
        };
        assert_eq!(due(1, 500, 0), 1500);
        assert_eq!(due(0, 500, 0), 1500);
        assert_eq!(due(1, 500, 2), 1500);
        assert_eq!(due(1, 5000, 1), 5000);
        assert_eq!(due(1, 5000, 3), 5000);
        assert_eq!(due(0, 5000, 1), 1000);
        assert_eq!(due(1, u64::MAX, 0), u64::MAX);
        assert!(subscription(&[0; 40]).is_none());
    }

    #[test]
    fn an_event_tells_of_one_byte_of_a_stream_that_is_there() {
        let told = |kind, stream| {
            let mut event = [9; 32];
            subscription(&bytes(kind, stream, 0, 0))
                .unwrap()
                .tell(&mut event);
            assert_eq!((&event[..8], event[10]), (&b"userdata"[..], kind));
            let error = u16::from_le_bytes([event[8], event[9]]);
            (error, event[16])
        };
        assert_eq!(told(CLOCK, 7), (0, 0));
        assert_eq!(told(1, 0), (0, 1));
        assert_eq!(told(WRITE, 2), (0, 1));
        assert_eq!(told(WRITE, 3), (errno::BADF, 1));
    }
}
