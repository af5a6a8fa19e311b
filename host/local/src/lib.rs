//! The local environment: S3 over HTTP, a real Redis, and a Lambda Runtime API that the real
//! `bootstrap` binary polls. Tests and `redis-sync dev` share it.
//!
//! ```no_run
//! # async fn test(bootstrap: &std::path::Path) -> anyhow::Result<()> {
//! use redis_sync_local::{Function, Redis, S3, event};
//!
//! let s3 = S3::start("config").await?;
//! let redis = Redis::start().await?;
//! let port = redis.port().to_string();
//! let variables = [
//!     ("CONFIG_BUCKET_NAME", "config"),
//!     ("AWS_ENDPOINT_URL", s3.endpoint()),
//!     ("S3_FORCE_PATH_STYLE", "true"),
//!     ("REDIS_HOST", "127.0.0.1"),
//!     ("REDIS_PORT", &port),
//! ];
//! let function = Function::start(bootstrap, variables).await?;
//!
//! s3.put("flags.json", r#"{"dark_mode": true}"#);
//! let report = function.invoke(event::created("config", "flags.json")).await?;
//! assert_eq!(report["status"], "success");
//! # Ok(())
//! # }
//! ```
//!
//! [`Environment`] is these three in one. Every part has a port of its own and ends when its handle
//! is dropped, also when a test panics. A handle works in the tokio runtime that made it.

mod encoding;
mod environment;
pub mod event;
mod function;
mod mutant;
mod output;
mod process;
mod queue;
mod redis;
mod runtime_api;
mod s3;
mod sdk;
mod server;
pub mod tied;

pub use self::{
    environment::{BUCKET, Environment, variables},
    function::{Ended, Function, INVOCATION_LIMIT},
    mutant::Mutant,
    process::Thread,
    queue::{Batch, Queue},
    redis::{Redis, RedisCluster, RedisOptions},
    runtime_api::{InvokeError, RuntimeApi},
    s3::{ACCESS_KEY_ID, Effect, Fault, Gate, Object, Operation, Parked, S3, SECRET_ACCESS_KEY},
    sdk::sdk_config,
};

/// The AWS region of everything here.
pub const REGION: &str = "eu-west-2";
