//! A few runs of a plugin on a real config file, for `make guard` to count the instructions of.
//!
//! Without an argument it compiles the plugin, which is not counted, and prints the file that has its
//! machine code; with that file it runs it.
#![expect(clippy::print_stdout, reason = "where the machine code is")]

use anyhow::{Context, Result, ensure};
use redis_sync::budget::Account;
use redis_sync::object::Object;
use redis_sync::plugin::precompile;
use redis_sync::route::Output;
use redis_sync::sandbox::{Input, Plugin, Sandbox};
use redis_sync::settings::Limits;
use redis_sync_tests::guest;
use redis_sync_tests::nhs::CONFIG_FILES;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The first of them sets up what the others find.
const RUNS: usize = 5;

const LIMITS: Limits = Limits {
    fuel: 5_000_000_000,
    time: Duration::from_secs(600),
    memory_bytes: 256 << 20,
    output_bytes: 32 << 20,
};

fn main() -> Result<()> {
    let [file, ..] = &CONFIG_FILES;
    let Some(code) = std::env::args().nth(1) else {
        let folder = std::env::temp_dir();
        let code = precompile(&guest::module(file.guest), &folder)?;
        println!("{}", code.display());
        return Ok(());
    };
    let plugin = Sandbox::new(1)?
        .map(Path::new(&code))
        .context("the machine code is mapped")?;
    let object = Object {
        bucket: "config".to_owned(),
        key: file.key.to_owned(),
        etag: "e".to_owned(),
        version_id: None,
        last_modified: 0,
        content_type: None,
        metadata: Vec::new(),
        body: file.body.into(),
    };
    for _ in 0..RUNS {
        run(&plugin, &object)?;
    }
    Ok(())
}

fn run(plugin: &Plugin, object: &Object) -> Result<()> {
    let ran = plugin.run(&Input {
        plugin: "permissions_config.json.wasm",
        digest: "d",
        object,
        settings: &Arc::default(),
        output: Output::Value,
        limits: LIMITS,
        account: &Account::unbounded(),
    });
    ensure!(ran.result.is_ok(), "the plugin does not run");
    Ok(())
}
