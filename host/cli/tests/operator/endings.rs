//! How a command ends that cannot be carried out: with status 3, and with what to do next.

use crate::typed::{PROGRAM, expect, surround, typed};
use redis_sync_local::{BUCKET, Redis, S3, variables};
use redis_sync_tests::guest;
use std::fs::File;
use std::process::Stdio;
use tokio::process::Command;
use tokio::task::JoinSet;

/// The variables, with these in the place of others.
fn but(variables: &[(String, String)], others: &[(&str, &str)]) -> Vec<(String, String)> {
    let others = others.iter().map(|(name, value)| (*name, *value));
    let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    variables.iter().cloned().chain(others).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_cannot_be_reached_ends_with_3_and_what_to_do_next() {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    s3.put("plugins/flags.wasm", guest::scripted());
    s3.put("flags/a", "{}");
    let small = [
        "ACL", "SETUSER", "small", "on", ">secret", "~*", "&*", "+@all", "-evalsha", "-eval",
        "-hmget", "-hgetall",
    ];
    redis.command(&small).await.unwrap();
    let there = variables(&s3, &redis);
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("new.wasm").display().to_string();
    std::fs::write(&module, guest::scripted_variant("one")).unwrap();
    let out = folder.path().join("case").display().to_string();
    let situations = [
        (
            "no bucket",
            but(&there, &[("CONFIG_BUCKET_NAME", "missing")]),
        ),
        (
            "no Redis",
            but(&there, &[("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", "1")]),
        ),
        (
            "a user of Redis without permissions",
            but(
                &there,
                &[("REDIS_USERNAME", "small"), ("REDIS_PASSWORD", "secret")],
            ),
        ),
    ];
    // Those that ask Redis alone come last.
    let words: [&[&str]; 8] = [
        &["sync", "--dry-run"],
        &["sync", "--yes"],
        &["case", "flags/a", "--out", &out],
        &["preview", &module, "--route", "flags/"],
        &["publish", &module, "--route", "flags/", "--yes"],
        &["status"],
        &["explain", "k"],
        &["forget", "other", "--dry-run"],
    ];
    let mut tried = JoinSet::new();
    for (what, variables) in situations {
        let asked = match what {
            "no Redis" => 8,
            // It may look up who has written a key.
            "a user of Redis without permissions" => 6,
            _ => 5,
        };
        for words in words.iter().take(asked) {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let variables = variables.clone();
            tried.spawn(async move {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let (status, said) = typed(&words, &variables).await;
                assert_eq!(status, 3, "{what}, {words:?}: {said}");
                assert!(said.contains("next: "), "{what}, {words:?}: {said}");
                for dump in ["SdkError", "ServiceError", "{ ", "(Some("] {
                    assert!(!said.contains(dump), "{what}, {words:?}: {said}");
                }
            });
        }
    }
    tried.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_answer_is_told_by_its_causes_once() {
    let nowhere = "http://127.0.0.1:1";
    let variables = [
        ("AWS_ENDPOINT_URL_LAMBDA", nowhere),
        ("AWS_ENDPOINT_URL_SQS", nowhere),
        ("CONFIG_BUCKET_NAME", BUCKET),
        ("REDIS_HOST", "127.0.0.1"),
    ];
    let variables = but(&[], &variables);
    for words in [
        &["status", "--function", "f"][..],
        &["redrive", "--queue", "http://127.0.0.1:1/q", "--dry-run"],
    ] {
        let (status, said) = typed(words, &variables).await;
        assert_eq!(status, 3, "{words:?}: {said}");
        assert_eq!(said.matches("refused").count(), 1, "{words:?}: {said}");
        assert!(!said.contains("{ "), "{words:?}: {said}");
        expect(words, &variables, 3, &["next: it needs "]).await;
    }
}

#[tokio::test]
async fn what_cannot_be_printed_is_an_error_and_a_reader_that_is_gone_is_none() {
    let mut command = Command::new(PROGRAM);
    command.args(["completions", "bash"]);
    surround(&mut command, &[]);
    command.stdout(Stdio::from(File::create("/dev/full").unwrap()));
    command.stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("cannot be written to stdout: No space left"),
        "{said}"
    );

    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
