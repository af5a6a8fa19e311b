//! Typing a command, and what stands for Lambda's interface.

use redis_sync_local::{ACCESS_KEY_ID, Environment, InvokeError, REGION, SECRET_ACCESS_KEY};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_redis-sync");

/// Name and value.
pub(crate) type Variables = [(String, String)];

/// What a command is answered: its status, and what it printed.
pub(crate) async fn typed(words: &[&str], variables: &Variables) -> (i32, String) {
    let mut command = Command::new(PROGRAM);
    command.args(words);
    surround(&mut command, variables);
    command.env("NO_COLOR", "1");
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    (output.status.code().unwrap(), said.concat())
}

/// Gives a command the variables of the function, and those that AWS' SDK needs.
pub(crate) fn surround(command: &mut Command, variables: &Variables) {
    command.env_clear();
    command
        .env("AWS_REGION", REGION)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
    command.env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
    command.envs(variables.iter().cloned());
}

/// Types a command, and expects its status and parts of what it says.
pub(crate) async fn expect(words: &[&str], variables: &Variables, status: i32, parts: &[&str]) {
    let (ended, said) = typed(words, variables).await;
    assert_eq!(ended, status, "{words:?}: {said}");
    for part in parts {
        assert!(
            said.contains(part),
            "{words:?}: `{part}` is not in:\n{said}"
        );
    }
}

/// Lambda's interface for invoking a function, as far as the command line uses it.
pub(crate) async fn lambda(environment: Arc<Environment>) -> String {
    invoking(move |payload| {
        let environment = Arc::clone(&environment);
        async move { environment.function.invoke(payload).await }
    })
    .await
}

/// The same for a function that answers so.
pub(crate) async fn invoking<F, A>(function: F) -> String
where
    F: Fn(Value) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Value, InvokeError>> + Send,
{
    let function = Arc::new(function);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let function = Arc::clone(&function);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let (mut line, mut length) = (String::new(), 0);
                while stream.read_line(&mut line).await.unwrap() > 2 {
                    let lower = line.to_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut payload = vec![0; length];
                stream.read_exact(&mut payload).await.unwrap();
                let payload: Value = serde_json::from_slice(&payload).unwrap();
                let (error, body) = match function(payload).await {
                    Ok(answer) => ("", answer),
                    Err(InvokeError::Failed {
                        error_type,
                        error_message,
                    }) => (
                        "x-amz-function-error: Unhandled\r\n",
                        json!({"errorType": error_type, "errorMessage": error_message}),
                    ),
                    Err(why) => panic!("{why}"),
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\n{error}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            });
        }
    });
    format!("http://{address}")
}
