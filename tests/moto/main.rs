//! Another implementation of S3 and its notifications, moto's, in place of our own: `make test-moto`
//! installs it. Its events lack much of what AWS sends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod story;

use redis_sync_local::{Function, Redis};
use redis_sync_tests::held::held;
use redis_sync_tests::program;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// moto, until this is dropped.
struct Moto {
    process: Child,
    requests: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Moto {
    /// Runs one of the scripts of these tests.
    fn start(script: &str) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = tests.join("../target/moto/bin/python");
        let spawned = Command::new(&python)
            .arg(tests.join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = spawned.unwrap_or_else(|error| {
            panic!(
                "no moto at {}: {error}; `make test-moto` installs it",
                python.display()
            )
        });
        let requests = process.stdin.take().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            requests,
            lines,
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn next(&mut self) -> Value {
        self.requests.write_all(b"\n").unwrap();
        self.line()
    }

    /// Has something done: its name and its arguments.
    fn ask(&mut self, what: &Value) -> Value {
        writeln!(self.requests, "{what}").unwrap();
        self.line()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It has ended by itself, or is to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The variables that lead a function to moto and Redis.
fn variables(endpoint: &str, redis: &Redis) -> Vec<(String, String)> {
    let variables = [
        ("CONFIG_BUCKET_NAME", "config".to_owned()),
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("S3_FORCE_PATH_STYLE", "true".to_owned()),
        ("REDIS_HOST", "127.0.0.1".to_owned()),
        ("REDIS_PORT", redis.port().to_string()),
    ];
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    variables.into_iter().map(owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moto_delivers_reaches_redis() {
    let mut moto = Moto::start("moto/deliver.py");
    let endpoint = moto.line()["endpoint"].as_str().unwrap().to_owned();
    let redis = Redis::start().await.unwrap();
    let variables = variables(&endpoint, &redis);
    let function = Function::start(program::bootstrap(), variables)
        .await
        .unwrap();
    let mut expected = serde_json::Map::new();
    for channel in ["sqs", "sns", "eventbridge"] {
        let delivered = moto.next();
        assert_eq!(delivered["channel"], channel);
        let messages = delivered["event"]["Records"].as_array().unwrap();
        assert!(!messages.is_empty(), "{delivered}");
        let answer = function.invoke(&delivered["event"]).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}), "{delivered}");
        let key = delivered["key"].as_str().unwrap();
        expected.insert(key.to_owned(), json!(channel));
        assert_eq!(
            held(&redis).await,
            Value::from(expected.clone()),
            "{channel}"
        );
    }
}
