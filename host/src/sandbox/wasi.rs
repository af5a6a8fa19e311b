//! Everything a component can import, in one place; a program's imports are in
//! [`program`](super::program). What is not here is refused when it is loaded.
//!
//! The runtimes of Rust, Go, C, JavaScript and Python need parts of every interface of WASI 0.2, but
//! behind them there is nothing: no directory is opened, sockets cannot be made, names are not
//! resolved, and the environment is what the contract says. Clocks stand still or count, and
//! waiting is over at once.

use super::bindings::redis_sync::transform as host;
use super::clock::{ClockView, CountingClock};
use super::random::Seeded;
use super::state::State;
use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Result};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::bindings::sync::{filesystem, io, sockets as waiting_sockets};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem::preopens, sockets};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi_io::bindings::wasi::io::error as io_error;

/// Links all of it.
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
    io_error::add_to_linker::<State, Table>(linker, State::table)?;
    io::poll::add_to_linker::<State, Table>(linker, State::table)?;
    io::streams::add_to_linker::<State, Table>(linker, State::table)
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
    monotonic_clock::add_to_linker::<State, CountingClock>(linker, |state| {
        let (wasi, counter) = state.wasi_and_clock();
        let table = wasi.ctx().table;
        ClockView { counter, table }
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

impl WasiView for State {
    fn ctx(&mut self) -> wasmtime_wasi::WasiCtxView<'_> {
        self.wasi().ctx()
    }
}

impl State {
    fn table(&mut self) -> &mut ResourceTable {
        self.wasi().ctx().table
    }
}
