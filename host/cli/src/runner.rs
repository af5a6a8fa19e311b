//! Running cases as the function would.

use crate::case::Case;
use crate::guest_log::{self, Line};
use crate::problem::Advise;
use anyhow::Result;
use redis_sync::entry::{Entry, total_size};
use redis_sync::pipeline::{ChangeError, Trial};
use redis_sync::settings::{Limits, Settings};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// This program, which is also the compiling child.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// The variables of the function that decide how a plugin runs.
const LIMITS: [&str; 10] = [
    "FUEL_LIMIT",
    "TIME_LIMIT_MS",
    "MEMORY_LIMIT_MIB",
    "MAX_OBJECT_BYTES",
    "MAX_OUTPUT_BYTES",
    "FUEL_CEILING",
    "TIME_CEILING_MS",
    "MEMORY_CEILING_MIB",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "MEMORY_BUDGET_MIB",
];

/// The memory of the function, unless it is said otherwise.
const FUNCTION_MEMORY_MIB: &str = "1024";

/// Values of those of [`LIMITS`] that are set.
pub(crate) type Variables = BTreeMap<String, String>;

/// A variable as the function has it, from those of this machine: where nobody says how much memory it has,
/// it is not this machine's, but that of template.yaml.
pub(crate) fn of_function(name: &str, set: Option<String>) -> Option<String> {
    let set = set.filter(|value| !value.is_empty());
    match name {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => {
            Some(set.unwrap_or_else(|| FUNCTION_MEMORY_MIB.to_owned()))
        }
        _ => set,
    }
}

/// Those of the environment.
pub(crate) fn variables() -> Variables {
    let set = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
    LIMITS.iter().filter_map(|name| set(name)).collect()
}

/// Runs cases.
pub(crate) struct Runner {
    trial: Trial,
    /// What the function would have as its settings.
    settings: Settings,
    /// The variables that they come from.
    variables: Variables,
}

/// How a run ended.
pub(crate) struct Ran {
    /// What it yields, or the text with which its object fails.
    pub(crate) result: Result<Vec<Entry>, String>,
    /// Fuel used; `None` where it did not come to a run.
    pub(crate) fuel: Option<u64>,
    /// The most memory that a plugin had, in bytes; `None` where it did not come to a run.
    pub(crate) memory_bytes: Option<u64>,
    /// What it took, without compiling the modules.
    pub(crate) time: Duration,
    /// What it said.
    pub(crate) log: Vec<Line>,
    /// What it could use.
    pub(crate) limits: Limits,
}

impl Runner {
    /// A runner with the defaults of the function, and with these variables.
    pub(crate) fn new(variables: Variables) -> Result<Self> {
        let settings = settings(&variables)?;
        let trial = Trial::new(&settings, Path::new(PROGRAM)).advise(
            || "the sandbox cannot be set up".to_owned(),
            "it needs address space for its instances: see `ulimit -v`",
        )?;
        Ok(Self {
            trial,
            settings,
            variables,
        })
    }

    /// Loads modules and nothing else.
    pub(crate) fn trial(&self) -> &Trial {
        &self.trial
    }

    /// The variables that decide how plugins run here, also those that are not set.
    pub(crate) fn variables(&self) -> Variables {
        let settings = &self.settings;
        let limits = settings.limits;
        let effective = [
            ("FUEL_LIMIT", limits.fuel.to_string()),
            ("TIME_LIMIT_MS", limits.time.as_millis().to_string()),
            ("MEMORY_LIMIT_MIB", (limits.memory_bytes >> 20).to_string()),
            ("MAX_OUTPUT_BYTES", limits.output_bytes.to_string()),
            ("MAX_OBJECT_BYTES", settings.max_object_bytes.to_string()),
        ];
        let effective = effective.map(|(name, value)| (name.to_owned(), value));
        let mut variables = self.variables.clone();
        variables.extend(effective);
        variables
    }

    /// Loads the modules of a case. What is wrong with them comes to light when it runs.
    pub(crate) async fn load(&self, case: &Case) {
        for module in &case.modules {
            let bytes = module.bytes.clone();
            let _ = self.trial.load(&module.name, &module.digest, bytes).await;
        }
    }

    /// Runs a case whose modules are loaded.
    pub(crate) async fn run(&self, case: &Case) -> Ran {
        guest_log::take();
        let started = Instant::now();
        let tried = self
            .trial
            .run(&case.object, &case.route, &case.plugin_list())
            .await;
        let time = started.elapsed();
        let (fuel, memory_bytes) = match &tried {
            Ok(tried) => (Some(tried.fuel), Some(tried.memory_bytes)),
            Err(ChangeError::Transform(error)) => (error.fuel, error.memory_bytes),
            Err(_) => (None, None),
        };
        Ran {
            result: tried
                .map(|tried| tried.entries.entries().to_vec())
                .map_err(|error| error.to_string()),
            fuel,
            memory_bytes,
            time,
            log: guest_log::take(),
            limits: self.limits(case),
        }
    }

    /// What a plugin of the case may use.
    fn limits(&self, case: &Case) -> Limits {
        let (route, most) = (&case.route, self.settings.limits);
        let memory = route.memory_mib.and_then(|mib| usize::try_from(mib).ok());
        Limits {
            fuel: route.fuel.unwrap_or(most.fuel),
            time: route.time.unwrap_or(most.time),
            memory_bytes: memory.map_or(most.memory_bytes, |mib| mib << 20),
            output_bytes: most.output_bytes,
        }
    }
}

impl Ran {
    /// Keys and values of what it yields, in bytes.
    pub(crate) fn output_bytes(&self) -> usize {
        self.result.as_deref().map_or(0, total_size)
    }
}

/// The function's settings. Bucket and Redis are never asked.
fn settings(variables: &Variables) -> Result<Settings> {
    let known = |name: &str| match name {
        "CONFIG_BUCKET_NAME" => Some("config".to_owned()),
        "REDIS_HOST" => Some("nowhere".to_owned()),
        name => of_function(name, variables.get(name).cloned()),
    };
    Settings::read(known).advise(
        || "the limits cannot be read".to_owned(),
        "the variables of the function are meant: correct or unset them",
    )
}
