//! Everything a plugin can import, in one place. What is not here is refused when it is loaded.
//!
//! The runtimes of Rust, Go, C, JavaScript and Python need parts of every interface of WASI 0.2, but
//! behind them there is nothing: no directory is opened, sockets cannot be made, names are not
//! resolved, and the environment is what the contract says. Clocks stand still or count, and
//! waiting is over at once.

use super::bindings::redis_sync::transform as host;
use super::deterministic::Seeded;
use super::state::State;
use rand::Rng;
use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Engine, Result};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::bindings::sync::{filesystem, io, sockets as waiting_sockets};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem::preopens, sockets};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi_io::bindings::wasi::io::error as io_error;

pub(super) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    link_interface(&mut linker)?;
    link_streams(&mut linker)?;
    link_program(&mut linker)?;
    link_clocks_and_random(&mut linker)?;
    link_files(&mut linker)?;
    link_sockets(&mut linker)?;
    Ok(linker)
}

/// Our own interface.
fn link_interface(linker: &mut Linker<State>) -> Result<()> {
    host::types::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    host::log::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    host::settings::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// Streams and waiting for them: there are stdin, stdout and stderr, which are always ready.
fn link_streams(linker: &mut Linker<State>) -> Result<()> {
    io_error::add_to_linker::<State, Table>(linker, |state| &mut state.table)?;
    io::poll::add_to_linker::<State, Table>(linker, |state| &mut state.table)?;
    io::streams::add_to_linker::<State, Table>(linker, |state| &mut state.table)
}

/// What a program is started with, and how it ends.
fn link_program(linker: &mut Linker<State>) -> Result<()> {
    cli::environment::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, State::cli)
}

/// All of these are derived from the object and the module.
fn link_clocks_and_random(linker: &mut Linker<State>) -> Result<()> {
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(linker, State::clocks)?;
    monotonic_clock::add_to_linker::<State, CountingClock>(linker, |state| ClockView {
        nanoseconds: &mut state.monotonic,
        table: &mut state.table,
    })?;
    random::add_to_linker::<State, Seeded>(linker, |state| &mut state.random)?;
    insecure::add_to_linker::<State, Seeded>(linker, |state| &mut state.random)?;
    insecure_seed::add_to_linker::<State, Seeded>(linker, |state| &mut state.random)
}

/// A file is opened through a directory, and there is none.
fn link_files(linker: &mut Linker<State>) -> Result<()> {
    preopens::add_to_linker::<State, WasiFilesystem>(linker, State::filesystem)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(linker, State::filesystem)
}

/// The context denies making a socket and resolving a name, so nothing has a socket to go on with.
fn link_sockets(linker: &mut Linker<State>) -> Result<()> {
    let options = sockets::network::LinkOptions::default();
    sockets::instance_network::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    sockets::network::add_to_linker::<State, WasiSockets>(linker, &options, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    waiting_sockets::tcp::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    waiting_sockets::udp_create_socket::add_to_linker::<State, WasiSockets>(
        linker,
        State::sockets,
    )?;
    waiting_sockets::udp::add_to_linker::<State, WasiSockets>(linker, State::sockets)
}

/// The table of handles.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// Every look at the monotonic clock moves it by a microsecond.
const STEP_NANOSECONDS: u64 = 1000;

struct CountingClock;

impl HasData for CountingClock {
    type Data<'a> = ClockView<'a>;
}

struct ClockView<'a> {
    nanoseconds: &'a mut u64,
    table: &'a mut ResourceTable,
}

impl ClockView<'_> {
    fn advance(&mut self, nanoseconds: u64) -> u64 {
        *self.nanoseconds = self.nanoseconds.saturating_add(nanoseconds);
        *self.nanoseconds
    }

    fn over(&mut self) -> Result<Resource<DynPollable>> {
        let over = self.table.push(Over)?;
        subscribe(self.table, over)
    }
}

impl monotonic_clock::Host for ClockView<'_> {
    fn now(&mut self) -> Result<u64> {
        Ok(self.advance(STEP_NANOSECONDS))
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(STEP_NANOSECONDS)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        *self.nanoseconds = when.max(*self.nanoseconds);
        self.over()
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<DynPollable>> {
        self.advance(duration);
        self.over()
    }
}

/// A wait that is over: sleeping moves the clock and nothing else.
struct Over;

#[async_trait]
impl Pollable for Over {
    async fn ready(&mut self) {}
}

impl HasData for Seeded {
    type Data<'a> = &'a mut Self;
}

impl random::Host for Seeded {
    fn get_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.numbers.next_u64())
    }
}

impl insecure::Host for Seeded {
    fn get_insecure_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.numbers.next_u64())
    }
}

impl insecure_seed::Host for Seeded {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok(self.hash_seed)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> wasmtime_wasi::WasiCtxView<'_> {
        wasmtime_wasi::WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
