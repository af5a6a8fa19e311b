//! A transform that reaches for everything WASI has, for the end-to-end tests: what came of it is
//! a hash.

use redis_sync_guest::{Entries, Object, Result, transform};
use serde::Deserialize;
use std::fmt::Debug;
use wasip2::cli::{environment, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout};
use wasip2::clocks::monotonic_clock;
use wasip2::filesystem::preopens;
use wasip2::io::poll;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Network,
};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::OutgoingDatagram;
use wasip2::sockets::udp_create_socket::create_udp_socket;

/// A year, in nanoseconds.
const YEAR: u64 = 365 * 24 * 60 * 60 * 1_000_000_000;

/// Ports on which somebody listens.
#[derive(Deserialize)]
struct Ports {
    udp: u16,
    tcp: u16,
}

#[transform]
fn reaching(object: &Object) -> Result<Entries> {
    let ports: Ports = object.json()?;
    let network = instance_network();
    let reached = [
        ("udp", denied(send(&network, ports.udp))),
        ("tcp", denied(connect(&network, ports.tcp))),
        ("name", denied(resolve_addresses(&network, "localhost"))),
        ("address", denied(resolve_addresses(&network, "127.0.0.1"))),
        ("directories", preopens::get_directories().len().to_string()),
        ("environment", told(environment::get_environment())),
        ("arguments", told(environment::get_arguments())),
        ("folder", told(environment::initial_cwd())),
        ("terminals", terminals().to_string()),
        (
            "stdin",
            told(stdin::get_stdin().blocking_read(1000).is_err()),
        ),
        ("waited", told(wait())),
    ];
    Ok(Entries::new().hash("reached", reached))
}

fn denied<T>(attempt: Result<T, ErrorCode>) -> String {
    let error = attempt.err().map(|code| code.name());
    error.unwrap_or("nothing denied it").to_owned()
}

fn told(what: impl Debug) -> String {
    format!("{what:?}")
}

fn send(network: &Network, port: u16) -> Result<(), ErrorCode> {
    let socket = create_udp_socket(IpAddressFamily::Ipv4)?;
    socket.start_bind(network, local(0))?;
    socket.finish_bind()?;
    let (_incoming, outgoing) = socket.stream(None)?;
    outgoing.check_send()?;
    let datagram = OutgoingDatagram {
        data: b"out".to_vec(),
        remote_address: Some(local(port)),
    };
    outgoing.send(&[datagram]).map(drop)
}

fn connect(network: &Network, port: u16) -> Result<(), ErrorCode> {
    let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
    socket.start_connect(network, local(port))?;
    socket.subscribe().block();
    socket.finish_connect().map(drop)
}

fn local(port: u16) -> IpSocketAddress {
    IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port,
        address: (127, 0, 0, 1),
    })
}

/// How many of the streams are terminals.
fn terminals() -> usize {
    let each = [
        terminal_stdin::get_terminal_stdin().is_some(),
        terminal_stdout::get_terminal_stdout().is_some(),
        terminal_stderr::get_terminal_stderr().is_some(),
    ];
    each.into_iter().filter(|is_terminal| *is_terminal).count()
}

/// Waits for a year, then for everything there is at once: how many of these are ready.
fn wait() -> usize {
    monotonic_clock::subscribe_duration(YEAR).block();
    let (input, output) = (stdin::get_stdin(), stdout::get_stdout());
    let all = [
        input.subscribe(),
        output.subscribe(),
        monotonic_clock::subscribe_instant(u64::MAX),
    ];
    poll::poll(&all.each_ref()).len()
}
