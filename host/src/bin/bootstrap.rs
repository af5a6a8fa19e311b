//! The Lambda: telemetry, settings, clients, run.

use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent, service_fn};
use redis_sync::handler::{self, HandlerError};
use redis_sync::pipeline::Pipeline;
use redis_sync::plugin;
use redis_sync::settings::Settings;
use redis_sync::telemetry;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::{Builder, Runtime};

/// Native stack of a thread, in bytes: a guest may use a quarter of it.
const THREAD_STACK: usize = 4 << 20;

/// Time kept for the answer, at the least and at the most: no new object is started once less is
/// left, and what is not done by then is reported as failed.
const RESERVE: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

/// Time before the first event for what it would otherwise wait for.
const READY: Duration = Duration::from_secs(2);

/// Where Lambda is told why a function does not start.
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";

/// Time for an invocation whose deadline is unknown: the emulators that send none send the past.
const UNKNOWN_DEADLINE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if let Some(status) = plugin::run_child(std::env::args()) {
        return status;
    }
    telemetry::init();
    let ended = match runtime() {
        Ok(runtime) => runtime.block_on(serve()),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the function cannot run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One worker where there is one invocation at a time, which is not handed from thread to thread then:
/// its work is waiting, and guests run on threads of their own.
fn runtime() -> std::io::Result<Runtime> {
    let several = std::env::var_os("AWS_LAMBDA_MAX_CONCURRENCY").is_some();
    let mut builder = if several {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    builder.enable_all().thread_stack_size(THREAD_STACK).build()
}

async fn serve() -> Result<(), Error> {
    let pipeline = match start().await {
        Ok(pipeline) => Arc::new(pipeline),
        Err(error) => {
            // Where nobody takes it, the log and the exit status have it all the same.
            let _ = report(&error.to_string()).await;
            return Err(error);
        }
    };
    // What it counts is in the first invocation's line.
    let first = Arc::new(pipeline.invocation("", None, true));
    first.scope(pipeline.get_ready(READY)).await;
    let is_cold = Arc::new(AtomicBool::new(true));
    lambda_runtime::run_concurrent(service_fn(move |event| {
        let is_cold_start = is_cold.swap(false, Ordering::Relaxed);
        invoke(Arc::clone(&pipeline), event, is_cold_start)
    }))
    .await
}

async fn start() -> Result<Pipeline, Error> {
    Ok(Pipeline::new(Settings::from_env()?).await?)
}

/// Tells Lambda why the function does not start, for who looks at the console.
async fn report(why: &str) -> Result<(), Error> {
    let document = json!({"errorType": "BadSettings", "errorMessage": why, "stackTrace": []});
    let request = lambda_runtime_api_client::build_request()
        .method("POST")
        .uri(INIT_ERROR)
        .header("lambda-runtime-function-error-type", "Runtime.BadSettings")
        .body(document.to_string().into())?;
    let client = lambda_runtime_api_client::Client::builder().build()?;
    client.call(request).await.map(drop)
}

async fn invoke(
    pipeline: Arc<Pipeline>,
    event: LambdaEvent<Box<RawValue>>,
    is_cold_start: bool,
) -> Result<Value, Failed> {
    let LambdaEvent { payload, context } = event;
    let trace_id = context.xray_trace_id.as_deref().and_then(root);
    let invocation = pipeline.invocation(&context.request_id, trace_id, is_cold_start);
    let handled = handler::handle(&pipeline, invocation, payload.get(), deadline(&context));
    // Large, and on the heap but once.
    Box::pin(handled).await.map_err(Failed)
}

/// The identifier of a trace, out of `Root=1-…;Parent=…;Sampled=0`.
fn root(header: &str) -> Option<String> {
    let mut parts = header.split(';');
    let root = parts.find_map(|part| part.trim().strip_prefix("Root="))?;
    Some(root.to_owned())
}

fn deadline(context: &Context) -> Instant {
    let left = context
        .deadline()
        .duration_since(SystemTime::now())
        .unwrap_or(UNKNOWN_DEADLINE);
    let [least, most] = RESERVE;
    Instant::now() + left.saturating_sub((left / 20).clamp(least, most))
}

/// A failure as Lambda reports it.
#[derive(Debug)]
struct Failed(HandlerError);

impl From<Failed> for Diagnostic {
    fn from(Failed(error): Failed) -> Self {
        Self {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        }
    }
}
