//! Ports that nobody listens on.

use std::{
    hash::{BuildHasher, RandomState},
    net::TcpListener,
};

use anyhow::{Context, Result};

/// Below the range from which systems take ports for outgoing connections, so that a server that is
/// down for a while finds its port free when it comes back.
const FIRST: u16 = 17_000;

/// The number of ports to choose from.
const COUNT: u16 = 15_000;

/// How many to try.
const ATTEMPTS: usize = 100;

/// A port of 127.0.0.1 that is free now, chosen at random. Another process may take it the moment after.
pub(super) fn free() -> Result<u16> {
    (0..ATTEMPTS)
        .map(|_| candidate())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no free port on 127.0.0.1")
}

fn candidate() -> u16 {
    // Every `RandomState` has other keys.
    let random = RandomState::new().hash_one(());
    let offset = random % u64::from(COUNT);
    FIRST + u16::try_from(offset).unwrap_or_default()
}
