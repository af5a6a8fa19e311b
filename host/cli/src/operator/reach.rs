//! How bucket and Redis are reached.

use super::function::Function;
use crate::problem::{Advise, problem};
use crate::runner::PROGRAM;
use anyhow::Result;
use redis_sync::handler;
use redis_sync::pipeline::Pipeline;
use redis_sync::settings::Settings;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// The time that an operation has where nothing else bounds it.
pub(super) const OPERATION: Duration = Duration::from_secs(3600);

/// What finds out what is wrong with a part.
pub(super) const DOCTOR: &str = "`redis-sync doctor` looks at each part";

/// What to do about an error of that kind; `otherwise` where it may come from anything.
pub(super) fn what_next<'a>(kind: &str, otherwise: &'a str) -> &'a str {
    match kind {
        "InvalidPayload" => "ask for something else: `--help` says what can be asked for",
        "AnswerTooLarge" => "`redis-cli` reads what is too large for an answer",
        "OutOfTime" => "ask again, or for less",
        _ => otherwise,
    }
}

/// How bucket and Redis are reached.
#[derive(clap::Args, Debug)]
pub(crate) struct ReachArgs {
    /// Ask this deployed function, instead of bucket and Redis themselves
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
}

impl ReachArgs {
    /// The deployed function, where it is to be asked.
    pub(super) async fn function(&self) -> Option<Function> {
        match &self.function {
            Some(name) => Some(Function::new(name).await),
            None => None,
        }
    }
}

/// What answers operations.
pub(crate) enum Reach {
    /// Bucket and Redis themselves, with the variables of the function.
    Direct(Box<Pipeline>),
    /// The deployed function.
    Function(Function),
}

impl Reach {
    /// Nothing is connected yet.
    pub(crate) async fn open(args: &ReachArgs) -> Result<Self> {
        match args.function().await {
            Some(function) => Ok(Self::Function(function)),
            None => Ok(Self::Direct(Box::new(pipeline().await?))),
        }
    }

    /// What an operation is answered with.
    pub(crate) async fn ask(&self, operation: &Value) -> Result<Value> {
        match self {
            Self::Direct(pipeline) => {
                let deadline = Instant::now() + OPERATION;
                let operation = operation.to_string();
                let answer = handler::answer(pipeline, &operation, deadline);
                Box::pin(answer)
                    .await
                    .map_err(|error| problem(error.to_string(), what_next(error.name(), DOCTOR)))
            }
            Self::Function(function) => function.invoke(operation).await,
        }
    }
}

/// What the function works with, from the variables of this environment.
async fn pipeline() -> Result<Pipeline> {
    let settings = Settings::from_env().advise(
        || "bucket and Redis cannot be reached".to_owned(),
        "set the variables that the function has, or ask the function with --function NAME",
    )?;
    let aws = redis_sync::aws::config().await;
    Pipeline::with_parts(settings, &aws, Path::new(PROGRAM)).advise(
        || "bucket and Redis cannot be reached".to_owned(),
        "correct the variables that it names, or ask the function with --function NAME",
    )
}
