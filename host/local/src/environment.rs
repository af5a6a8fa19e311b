//! S3, Redis and the function that keeps them equal, all on this machine.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use crate::{event, function::Function, redis::Redis, runtime_api::InvokeError, s3::S3};

/// The bucket's name.
pub const BUCKET: &str = "config";

/// A bucket, a Redis and a function. All are gone when this is dropped.
#[derive(Debug)]
pub struct Environment {
    /// The function, which is to go before what it uses.
    pub function: Function,
    /// The bucket, [`BUCKET`].
    pub s3: S3,
    /// Redis, without TLS and without a password.
    pub redis: Redis,
    /// The function's binary.
    binary: PathBuf,
    /// The function's variables.
    variables: Vec<(String, String)>,
}

impl Environment {
    /// Starts everything, and a binary as the function.
    ///
    /// # Errors
    ///
    /// One of them does not start.
    pub async fn start(binary: impl AsRef<Path>) -> Result<Self> {
        Self::start_with::<&str, &str>(binary, []).await
    }

    /// Starts everything, with more variables for the function, or others.
    ///
    /// # Errors
    ///
    /// One of them does not start.
    pub async fn start_with<K: Into<String>, V: Into<String>>(
        binary: impl AsRef<Path>,
        more: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start())?;
        let more = more
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let variables: Vec<_> = variables(&s3, &redis).into_iter().chain(more).collect();
        let binary = binary.as_ref().to_owned();
        let function = Function::start(&binary, variables.clone()).await?;
        Ok(Self {
            function,
            s3,
            redis,
            binary,
            variables,
        })
    }

    /// Starts one more function on the same bucket and Redis.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub async fn another_function(&self) -> Result<Function> {
        Function::start(&self.binary, self.variables.clone()).await
    }

    /// Kills the function and starts it afresh.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub async fn restart_function(&mut self) -> Result<()> {
        self.function.kill().await;
        self.function = self.another_function().await?;
        Ok(())
    }

    /// Uploads an object and delivers its notification.
    ///
    /// # Errors
    ///
    /// As [`Function::invoke`].
    pub async fn upload(&self, key: &str, body: impl AsRef<[u8]>) -> Result<Value, InvokeError> {
        self.s3.put(key, body);
        self.function.invoke(event::created(BUCKET, key)).await
    }

    /// Deletes an object and delivers its notification.
    ///
    /// # Errors
    ///
    /// As [`Function::invoke`].
    pub async fn remove(&self, key: &str) -> Result<Value, InvokeError> {
        self.s3.delete(key);
        self.function.invoke(event::removed(BUCKET, key)).await
    }
}

/// The variables that lead a function to a bucket and a Redis server, with TLS where it speaks that.
#[must_use]
pub fn variables(s3: &S3, redis: &Redis) -> Vec<(String, String)> {
    let mut variables = vec![
        ("CONFIG_BUCKET_NAME", s3.bucket().to_owned()),
        ("AWS_ENDPOINT_URL", s3.endpoint().to_owned()),
        ("S3_FORCE_PATH_STYLE", String::from("true")),
        ("REDIS_HOST", String::from("127.0.0.1")),
        ("REDIS_PORT", redis.port().to_string()),
    ];
    if let Some(authority) = redis.ca_file() {
        variables.push(("REDIS_TLS", String::from("true")));
        variables.push(("REDIS_CA_FILE", authority.display().to_string()));
    }
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    variables.into_iter().map(owned).collect()
}
