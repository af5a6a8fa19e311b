//! What can be said of the variables alone.

use super::{Finding, bad, doubtful, good};
use crate::screen::bytes;
use redis_sync::settings::{Settings, most_of_object};
use redis_sync::text::counted;

pub(super) fn look(settings: &Settings) -> [Finding; 2] {
    [compiled(settings), memory(settings)]
}

/// Where machine code is kept.
fn compiled(settings: &Settings) -> Finding {
    match (&settings.artifacts.folder, &settings.artifacts.key) {
        (None, None) => doubtful(
            "compiled",
            "kept nowhere: every new function compiles; set COMPILED_CACHE_KEY or COMPILED_DIR",
        ),
        (Some(folder), _) => match folder.read_dir() {
            Ok(files) => {
                let number = files.flatten().count();
                good(
                    "compiled",
                    format!("{} in {}", counted(number, "file"), folder.display()),
                )
            }
            Err(error) => bad(
                "compiled",
                format!("COMPILED_DIR {} cannot be read: {error}", folder.display()),
            ),
        },
        (None, Some(_)) => good(
            "compiled",
            format!("in the bucket, under {}", settings.artifacts.prefix),
        ),
    }
}

/// How many objects there is memory for, at their limits.
fn memory(settings: &Settings) -> Finding {
    let memory = &settings.memory;
    let most = most_of_object(&settings.limits, settings.max_object_bytes);
    let together = memory.work_bytes / most.max(1);
    let sum = format!(
        "{} for work, of which an object may take {}: {together} at their limits at a time; {} for machine code, {} for compiling",
        bytes(memory.work_bytes),
        bytes(most),
        bytes(memory.code_bytes),
        bytes(memory.compile_bytes),
    );
    if together == 0 {
        bad(
            "memory",
            format!("{sum}: give the function more, or lower the limits"),
        )
    } else {
        good("memory", sum)
    }
}
