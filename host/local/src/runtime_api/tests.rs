use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

async fn send(api: &RuntimeApi, method: &str, path: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(api.address()).await?;
    let length = body.len();
    let request = format!(
        "{method} {VERSION}/{path} HTTP/1.1\r\nhost: local\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Fetches an invocation and gives its request id and payload.
async fn fetch(api: &RuntimeApi) -> Result<(String, String)> {
    let got = send(api, "GET", "invocation/next", "").await?;
    let (head, payload) = got.split_once("\r\n\r\n").context("no body")?;
    for header in [
        "lambda-runtime-deadline-ms",
        "lambda-runtime-invoked-function-arn",
        "lambda-runtime-trace-id",
    ] {
        if !head.contains(header) {
            bail!("no {header} in {head}");
        }
    }
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: "))
        .context("no request id")?;
    Ok((id.to_owned(), payload.to_owned()))
}

#[tokio::test]
async fn a_response_reaches_who_invoked() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let function = async {
        let (id, payload) = fetch(&api).await?;
        assert_eq!(payload, "[1]");
        send(&api, "POST", &format!("invocation/{id}/response"), "[2]").await
    };
    let (answer, accepted) = tokio::join!(api.invoke("[1]", LIMIT), function);
    assert_eq!(answer?, json!([2]));
    assert!(accepted?.starts_with("HTTP/1.1 202"));
    Ok(())
}

#[tokio::test]
async fn an_error_reaches_who_invoked() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let function = async {
        let (id, _) = fetch(&api).await?;
        let error = r#"{"errorType": "Oops", "errorMessage": "it broke"}"#;
        send(&api, "POST", &format!("invocation/{id}/error"), error).await
    };
    let (answer, accepted) = tokio::join!(api.invoke("{}", LIMIT), function);
    assert_eq!(answer.expect_err("failed").to_string(), "Oops: it broke");
    assert!(accepted?.starts_with("HTTP/1.1 202"));
    Ok(())
}

#[tokio::test]
async fn two_workers_are_served_at_once() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let workers = async {
        let ((first, one), (second, two)) = tokio::try_join!(fetch(&api), fetch(&api))?;
        // The later one answers first.
        for (id, payload) in [(second, two), (first, one)] {
            send(&api, "POST", &format!("invocation/{id}/response"), &payload).await?;
        }
        anyhow::Ok(())
    };
    let (one, two, done) = tokio::join!(api.invoke("1", LIMIT), api.invoke("2", LIMIT), workers);
    assert_eq!((one?, two?), (json!(1), json!(2)));
    done
}

#[tokio::test]
async fn a_late_answer_is_refused() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let limit = Duration::from_secs(1);
    let (answer, fetched) = tokio::join!(api.invoke("{}", limit), fetch(&api));
    assert!(
        matches!(answer, Err(InvokeError::TimedOut(_))),
        "{answer:?}"
    );
    let (id, _) = fetched?;
    let refused = send(&api, "POST", &format!("invocation/{id}/response"), "1").await?;
    assert!(refused.starts_with("HTTP/1.1 410"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn an_invocation_that_nobody_fetches_times_out_and_is_forgotten() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let answer = api.invoke("1", Duration::from_millis(20)).await;
    assert!(
        matches!(answer, Err(InvokeError::TimedOut(_))),
        "{answer:?}"
    );
    let (answer, fetched) = tokio::join!(api.invoke("2", Duration::from_secs(1)), async {
        fetch(&api).await
    });
    assert!(
        matches!(answer, Err(InvokeError::TimedOut(_))),
        "{answer:?}"
    );
    assert_eq!(fetched?.1, "2");
    Ok(())
}

#[tokio::test]
async fn a_failed_start_is_recorded() -> Result<()> {
    let api = RuntimeApi::start().await?;
    send(&api, "POST", "init/error", r#"{"errorType": "Settings"}"#).await?;
    assert_eq!(api.init_error(), Some(json!({ "errorType": "Settings" })));
    Ok(())
}
