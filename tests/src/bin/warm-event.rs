//! The instructions that a warm event takes in the real `bootstrap`, for `make guard`: the function runs
//! under valgrind's callgrind, once with few events and once with more, and the difference is what counts.
#![expect(clippy::print_stdout, reason = "the count")]

use anyhow::{Context, Result, ensure};
use redis_sync_local::{BUCKET, Function, Redis, S3, event, variables};
use redis_sync_tests::nhs::CONFIG_FILES;
use redis_sync_tests::{compiled, guest, program};
use std::fs::{Permissions, read_to_string, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const FEW: u64 = 5;
const MANY: u64 = 25;

/// For one event: it is about fifty times slower than by itself.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<()> {
    let (few, many) = (instructions(FEW).await?, instructions(MANY).await?);
    println!("{}", many.saturating_sub(few) / (MANY - FEW));
    Ok(())
}

/// Of a function from its start to its end, with so many events.
async fn instructions(events: u64) -> Result<u64> {
    let [file, ..] = &CONFIG_FILES;
    let module = guest::module(file.guest);
    let compiled = compiled::folder_with(&module);
    let (s3, redis) = (S3::start(BUCKET).await?, Redis::start().await?);
    s3.put(&format!("plugins/{}.wasm", file.key), module);

    let folder = compiled.with_file_name("guard");
    std::fs::create_dir_all(&folder)?;
    let counted = folder.join("counted");
    let launcher = launcher(&folder, &counted)?;
    let mut variables = variables(&s3, &redis);
    // One place for a guest: valgrind has less room for reservations than a process by itself.
    variables.extend([
        ("COMPILED_DIR".to_owned(), compiled.display().to_string()),
        ("CONCURRENCY".to_owned(), "1".to_owned()),
    ]);
    let function = Function::start(launcher, variables).await?;
    for number in 0..events {
        s3.put(
            file.key,
            file.body.replace("YGM41", &format!("YGM{number:02}")),
        );
        let event = event::created(BUCKET, file.key);
        let report = function.invoke_within(event, LIMIT).await?;
        ensure!(report["status"] == "success", "{report}");
    }
    function.terminate().await?;
    let counted = read_to_string(counted).context("valgrind has counted")?;
    let total = counted
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    Ok(total.context("valgrind says how many")?.parse()?)
}

/// What starts the function.
fn launcher(folder: &Path, counted: &Path) -> Result<std::path::PathBuf> {
    let launcher = folder.join("bootstrap");
    let (counted, bootstrap) = (counted.display(), program::bootstrap());
    let script = format!(
        "#!/bin/sh\nexec valgrind --quiet --tool=callgrind --callgrind-out-file='{counted}' '{}'\n",
        bootstrap.display()
    );
    write(&launcher, script)?;
    set_permissions(&launcher, Permissions::from_mode(0o755))?;
    Ok(launcher)
}
