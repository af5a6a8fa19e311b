use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

/// Sends a request without a signature and gives the whole answer, or what came of it.
async fn send(s3: &S3, method: &str, path: &str, headers: &str, body: &str) -> Result<String> {
    let address = s3.endpoint().strip_prefix("http://").context("no scheme")?;
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn get(s3: &S3, path: &str, headers: &str) -> Result<String> {
    send(s3, "GET", path, headers, "").await
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_stored() -> Result<()> {
    let s3 = S3::start("config").await?;
    s3.set_clock(Some(UNIX_EPOCH + Duration::from_millis(1_500)));
    let headers = "content-type: application/json\r\nx-amz-meta-owner: me\r\n";
    let put = send(
        &s3,
        "PUT",
        "/config/a%2Bb/c%C3%A9%20%25.json",
        headers,
        "{}",
    )
    .await?;
    assert!(put.starts_with("HTTP/1.1 200"), "{put}");
    assert_eq!(s3.keys(), ["a+b/cé %.json"]);

    let got = get(&s3, "/config/a+b/c%C3%A9%20%25.json", "").await?;
    for part in [
        "\r\netag: \"99914b932bd37a50b983c5e7c90ae93b\"\r\n",
        "\r\nlast-modified: Thu, 01 Jan 1970 00:00:01 GMT\r\n",
        "\r\ncontent-type: application/json\r\n",
        "\r\nx-amz-meta-owner: me\r\n",
        "\r\n\r\n{}",
    ] {
        assert!(got.contains(part), "{part:?} in {got}");
    }
    assert_eq!(s3.count(Operation::GetObject), 1);
    assert_eq!(s3.count_of(Operation::PutObject, "a+b/cé %.json"), 1);
    Ok(())
}

#[tokio::test]
async fn conditions_are_honoured() -> Result<()> {
    let s3 = S3::start("config").await?;
    let etag = s3.put("a", "1");
    let unchanged = get(&s3, "/config/a", &format!("if-none-match: \"{etag}\"\r\n")).await?;
    assert!(unchanged.starts_with("HTTP/1.1 304"), "{unchanged}");
    assert!(unchanged.ends_with("\r\n\r\n"), "{unchanged}");
    s3.put("a", "2");
    let changed = get(&s3, "/config/a", &format!("if-match: \"{etag}\"\r\n")).await?;
    assert!(changed.starts_with("HTTP/1.1 412"), "{changed}");
    assert!(
        changed.contains("<Code>PreconditionFailed</Code>"),
        "{changed}"
    );
    let taken = send(&s3, "PUT", "/config/a", "if-none-match: *\r\n", "3").await?;
    assert!(taken.starts_with("HTTP/1.1 412"), "{taken}");
    Ok(())
}

#[tokio::test]
async fn a_delete_marker_is_a_404_that_says_so() -> Result<()> {
    let s3 = S3::start("config").await?;
    s3.enable_versioning();
    s3.put("a", "1");
    s3.delete("a");
    let gone = get(&s3, "/config/a", "").await?;
    assert!(gone.starts_with("HTTP/1.1 404"), "{gone}");
    assert!(gone.contains("\r\nx-amz-delete-marker: true\r\n"), "{gone}");
    assert!(gone.contains("<Code>NoSuchKey</Code>"), "{gone}");
    Ok(())
}

#[tokio::test]
async fn listings_are_paged_and_encoded() -> Result<()> {
    let s3 = S3::start("config").await?;
    for key in ["a b", "a+b/1", "a+b/2", "b"] {
        s3.put(key, "");
    }
    let query = "/config?list-type=2&max-keys=1&prefix=a&delimiter=%2F&encoding-type=url";
    let first = get(&s3, query, "").await?;
    assert!(first.contains("<Key>a+b</Key>"), "{first}");
    assert!(first.contains("<IsTruncated>true</IsTruncated>"), "{first}");
    let token = first
        .split_once("<NextContinuationToken>")
        .and_then(|(_, rest)| rest.split_once('<'))
        .map(|(token, _)| token)
        .context("no token")?;
    let second = get(&s3, &format!("{query}&continuation-token={token}"), "").await?;
    assert!(second.contains("<Prefix>a%2Bb/</Prefix>"), "{second}");
    assert!(
        second.contains("<IsTruncated>false</IsTruncated>"),
        "{second}"
    );
    assert_eq!(s3.count_of(Operation::ListObjectsV2, "a"), 2);
    Ok(())
}

#[tokio::test]
async fn the_next_requests_fail_and_then_no_more() -> Result<()> {
    let s3 = S3::start("config").await?;
    s3.put("a", "1");
    s3.fail(Operation::GetObject, 1, 503);
    let failed = get(&s3, "/config/a", "").await?;
    assert!(failed.starts_with("HTTP/1.1 503"), "{failed}");
    assert!(failed.contains("<Code>SlowDown</Code>"), "{failed}");
    let got = get(&s3, "/config/a", "").await?;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    Ok(())
}

#[tokio::test]
async fn a_broken_body_ends_early() -> Result<()> {
    let s3 = S3::start("config").await?;
    s3.put("a", "0123456789");
    s3.inject(Fault {
        operation: Operation::GetObject,
        key: None,
        times: Some(1),
        effect: Effect::BreakBody(4),
    });
    let got = get(&s3, "/config/a", "").await?;
    assert!(got.contains("\r\ncontent-length: 10\r\n"), "{got}");
    assert!(got.ends_with("\r\n\r\n0123"), "{got}");
    Ok(())
}

#[tokio::test]
async fn a_parked_end_comes_when_it_is_released() -> Result<()> {
    let s3 = S3::start("config").await?;
    s3.put("a", "0123456789");
    let parked = s3.park_end("a");
    let released = async {
        parked.reached().await;
        parked.release();
    };
    let (got, ()) = tokio::join!(get(&s3, "/config/a", ""), released);
    assert!(got?.ends_with("\r\n\r\n0123456789"));
    Ok(())
}

#[tokio::test]
async fn a_parked_answer_holds_what_was_there_then() -> Result<()> {
    let s3 = S3::start("config").await?;
    s3.put("a", "old");
    let parked = s3.park_answer(Operation::GetObject, "a");
    let both = async {
        parked.reached().await;
        s3.put("a", "new");
        parked.release();
    };
    let (got, ()) = tokio::join!(get(&s3, "/config/a", ""), both);
    assert!(got?.ends_with("\r\n\r\nold"));
    assert!(get(&s3, "/config/a", "").await?.ends_with("\r\n\r\nnew"));
    Ok(())
}
