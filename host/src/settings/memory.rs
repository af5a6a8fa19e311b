//! How the memory of the process is shared out.
//!
//! ```text
//! what the function has, or its control group, or the machine
//!   an eighth is left to the system: page cache, what the runtime around us takes
//!   the budget (MEMORY_BUDGET_MIB)
//!     the process itself: 64 MiB, and 2 MiB an object worked on at a time, which its slot keeps
//!     machine code of plugins that stay loaded: an eighth, 256 MiB at the most
//!     work: bodies, guests, outputs, artifacts, the compiling child
//! ```

use super::limits::Limits;
use super::reader::Reader;
use crate::budget::machine_bytes;
use crate::entry::footprint;
use crate::number::to_u64;

/// What this process takes by itself, connections, tables and code of its own, in bytes; the real one
/// takes 30 to 50 MiB.
const OWN_BYTES: u64 = 64 << 20;

/// What a slot for a plugin's instance keeps between its runs, in bytes.
const SLOT_BYTES: u64 = 2 << 20;

/// The most machine code that is held, in bytes.
const MAX_CODE_BYTES: u64 = 256 << 20;

/// The most that compiling a module may take, in bytes.
const MAX_COMPILE_BYTES: u64 = 1 << 30;

/// What a commit takes beside the entries, in bytes: a few chunks on their way.
const CHUNKS_BYTES: u64 = 8 << 20;

/// How the memory of the process is shared out, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// What all work may take together.
    pub work_bytes: u64,
    /// Machine code of plugins that stay loaded.
    pub code_bytes: u64,
    /// What compiling a module may take, of what all work may.
    pub compile_bytes: u64,
}

impl MemorySettings {
    fn of(budget: u64, concurrency: usize) -> Self {
        let own = OWN_BYTES + SLOT_BYTES.saturating_mul(to_u64(concurrency));
        let code_bytes = (budget / 8).min(MAX_CODE_BYTES);
        let work_bytes = budget.saturating_sub(own).saturating_sub(code_bytes);
        Self {
            work_bytes,
            code_bytes,
            compile_bytes: (budget / 2).min(work_bytes / 4 * 3).min(MAX_COMPILE_BYTES),
        }
    }
}

/// The most that one object may take, in bytes, from the first byte of its body to its commit: while its
/// plugin runs, the body, the guest and what that hands over; while it is committed, the entries, and
/// twice what of them is small enough to be sent in one go.
pub fn most_of_object(limits: &Limits, body_bytes: u64) -> u64 {
    let entries = footprint::most_of_output(limits.output_bytes);
    let running = body_bytes
        .saturating_add(to_u64(limits.memory_bytes))
        .saturating_add(entries);
    running.max(entries.saturating_add(most_of_commit(to_u64(limits.output_bytes))))
}

/// What a commit takes beside entries of which so many bytes are sent in one go.
pub fn most_of_commit(sent_bytes: u64) -> u64 {
    sent_bytes.saturating_mul(2).saturating_add(CHUNKS_BYTES)
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    limits: &Limits,
    max_object_bytes: u64,
    concurrency: usize,
) -> MemorySettings {
    let budget = budget_bytes(reader);
    let memory = MemorySettings::of(budget, concurrency);
    let most = most_of_object(limits, max_object_bytes);
    if most > memory.work_bytes {
        let (most, work, budget) = (
            most.div_ceil(1 << 20),
            memory.work_bytes >> 20,
            budget >> 20,
        );
        reader.problem(
            "MEMORY_LIMIT_MIB",
            &format!(
                "is more than any run could be given: with MAX_OBJECT_BYTES and MAX_OUTPUT_BYTES one \
                 object may take {most} MiB, and a budget of {budget} MiB leaves {work} (give the \
                 function more memory, raise MEMORY_BUDGET_MIB, or lower these limits or CONCURRENCY)"
            ),
        );
    }
    memory
}

fn budget_bytes(reader: &mut Reader<'_>) -> u64 {
    let asked: Option<u64> = reader.optional_number("MEMORY_BUDGET_MIB", 1, 1 << 24);
    if let Some(mib) = asked {
        return mib << 20;
    }
    let function: Option<u64> =
        reader.optional_number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1, 1 << 24);
    // Where nothing can be found out, as much as the smallest machine has that this is run on.
    let there = function.map_or_else(|| machine_bytes().unwrap_or(2 << 30), |mib| mib << 20);
    there - there / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, SettingsError, tests};

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let required = [("CONFIG_BUCKET_NAME", "b"), ("REDIS_HOST", "h")];
        tests::read(&[&required, pairs].concat())
    }

    #[test]
    fn a_function_of_a_gigabyte_takes_the_limits_that_hold_by_default() {
        let memory = read(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")])
            .unwrap()
            .memory;
        let mib =
            [memory.work_bytes, memory.code_bytes, memory.compile_bytes].map(|bytes| bytes >> 20);
        assert_eq!(mib, [704, 112, 448]);
        let settings = read(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")]).unwrap();
        let most = most_of_object(&settings.limits, settings.max_object_bytes);
        assert_eq!(most.div_ceil(1 << 20), 467);
    }

    #[test]
    fn limits_that_no_run_could_be_given_are_refused_with_the_numbers() {
        let refused = |pairs| {
            let SettingsError(problems) = read(pairs).unwrap_err();
            problems.join("\n")
        };
        let small = refused(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")]);
        assert!(small.contains("a budget of 448 MiB leaves 312"), "{small}");
        let large = refused(&[("MEMORY_BUDGET_MIB", "1024"), ("MEMORY_LIMIT_MIB", "4096")]);
        assert!(large.contains("MEMORY_BUDGET_MIB"), "{large}");
        let fits = [
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("MEMORY_LIMIT_MIB", "128"),
            ("MAX_OBJECT_BYTES", "8388608"),
            ("MAX_OUTPUT_BYTES", "8388608"),
        ];
        assert!(read(&fits).is_ok());
    }

    #[test]
    fn what_is_set_goes_before_what_the_function_has() {
        let both = [
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"),
            ("MEMORY_BUDGET_MIB", "2048"),
        ];
        let memory = read(&both).unwrap().memory;
        assert_eq!(memory, MemorySettings::of(2048 << 20, 8));
    }
}
