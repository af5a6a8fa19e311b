//! TLS, users, tokens and databases, against real servers.

use crate::answers::outcome;
use crate::environment::variables;
use crate::objects::texts;
use redis_sync_local::{BUCKET, Function, InvokeError, Redis, RedisOptions, S3, event};
use redis_sync_tests::held::held;
use redis_sync_tests::{guest, program};
use serde_json::{Value, json};

/// Delivers one object through a function with these variables besides those that lead to Redis.
async fn deliver(redis: &Redis, more: &[(&str, &str)]) -> Result<Value, InvokeError> {
    let s3 = S3::start(BUCKET).await.unwrap();
    guest::upload(&s3);
    s3.put("flags/a", texts(&[("k", "1")]));
    let mut variables = variables(&s3, redis);
    variables.extend(
        more.iter()
            .map(|(name, value)| ((*name).into(), (*value).into())),
    );
    let function = Function::start(program::bootstrap(), variables)
        .await
        .unwrap();
    function.invoke(event::created(BUCKET, "flags/a")).await
}

async fn with_config(tls: bool, lines: &[&str]) -> Redis {
    let config = lines.iter().map(|line| (*line).to_owned()).collect();
    Redis::start_with(RedisOptions {
        config,
        tls,
        ..RedisOptions::default()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_and_no_other() {
    let (redis, other) = (with_config(true, &[]).await, with_config(true, &[]).await);
    assert_eq!(outcome(&deliver(&redis, &[]).await.unwrap()), "synced");
    assert_eq!(redis.command(&["GET", "k"]).await.unwrap(), "1");
    let theirs = other.ca_file().unwrap().display().to_string();
    for authority in [theirs.as_str(), ""] {
        let error = deliver(&redis, &[("REDIS_CA_FILE", authority)])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_and_a_wrong_password_is_refused_without_being_shown() {
    let user = "user app on >correct-horse ~* &* +@all";
    let redis = with_config(false, &["requirepass other", user]).await;
    let app = ("REDIS_USERNAME", "app");
    let report = deliver(&redis, &[app, ("REDIS_PASSWORD", "correct-horse")]).await;
    assert_eq!(outcome(&report.unwrap()), "synced");
    let error = deliver(&redis, &[app, ("REDIS_PASSWORD", "battery-staple")])
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("refuses") && !message.contains("battery-staple"),
        "{message}"
    );
    deliver(&redis, &[("REDIS_PASSWORD", "other")])
        .await
        .unwrap();
}

/// Redis takes any password of this user; the token's form is a unit test's.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_signed_for_an_iam_user() {
    let redis = with_config(
        true,
        &["user iam-user on nopass ~* &* +@all", "requirepass other"],
    )
    .await;
    let report = deliver(
        &redis,
        &[
            ("REDIS_USERNAME", "iam-user"),
            ("REDIS_IAM_CACHE_NAME", "My-Cache"),
            ("AWS_REGION", "eu-west-2"),
        ],
    );
    assert_eq!(outcome(&report.await.unwrap()), "synced");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_go_to_the_database_of_that_number() {
    let redis = Redis::start().await.unwrap();
    assert_eq!(
        outcome(&deliver(&redis, &[("REDIS_DB", "3")]).await.unwrap()),
        "synced"
    );
    assert_eq!(held(&redis).await, json!({}));
    let client = redis::Client::open(format!("{}3", redis.url())).unwrap();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    let value: String = redis::cmd("GET")
        .arg("k")
        .query_async(&mut link)
        .await
        .unwrap();
    assert_eq!(value, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_goes_before_every_key() {
    let redis = Redis::start().await.unwrap();
    deliver(&redis, &[("REDIS_KEY_PREFIX", "app:")])
        .await
        .unwrap();
    assert_eq!(held(&redis).await, json!({"app:k": "1"}));
}
