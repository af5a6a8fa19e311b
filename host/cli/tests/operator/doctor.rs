//! What `doctor` says where something is wrong: every line that can be said, and what to do.

use crate::typed::{expect, typed};
use redis_sync_local::{BUCKET, Redis, S3, variables};

/// The variables, some of them with other values.
fn with(variables: &[(String, String)], more: &[(&str, &str)]) -> Vec<(String, String)> {
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    variables.iter().cloned().chain(more).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_variable_that_is_wrong_is_a_line_and_the_rest_is_looked_at() {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    let variables = variables(&s3, &redis);
    let wrong = with(&variables, &[("FUEL_LIMIT", "much"), ("UNMATCHED", "keep")]);
    let lines = [
        "✗ variables  FUEL_LIMIT is `much`",
        "✗ variables  UNMATCHED is `keep`",
        "✓ listing",
        "✓ acl",
        "✓ memory",
    ];
    expect(&["doctor"], &wrong, 1, &lines).await;
    let small = with(&variables, &[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")]);
    let lines = [
        "✓ variables",
        "✓ acl",
        "✗ memory     MEMORY_LIMIT_MIB is more than",
    ];
    expect(&["doctor"], &small, 1, &lines).await;
    let no_redis = with(&variables, &[("REDIS_PORT", "none")]);
    let lines = [
        "✗ variables  REDIS_PORT",
        "✓ listing",
        "! redis      not looked at",
    ];
    expect(&["doctor"], &no_redis, 1, &lines).await;
    let no_region = with(&variables, &[("AWS_REGION", "")]);
    let lines = ["✗ variables  AWS_REGION is missing", "! listing", "✓ acl"];
    expect(&["doctor"], &no_region, 1, &lines).await;
    let (_, said) = typed(&["doctor"], &[]).await;
    let problems = said.matches("✗ variables").count();
    assert_eq!(problems, 2, "{said}");
    assert!(
        said.contains("--function NAME") && said.contains("✓ memory"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_of_another_kind_is_told_with_the_variable() {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    let variables = variables(&s3, &redis);
    let cluster = with(&variables, &[("REDIS_CLUSTER", "true")]);
    let lines = [
        "✓ redis",
        "✓ acl",
        "✗ cluster    Redis is no cluster: set REDIS_CLUSTER=false",
    ];
    expect(&["doctor"], &cluster, 1, &lines).await;
    let tls = with(&variables, &[("REDIS_TLS", "true")]);
    let lines = [
        "✗ redis",
        "✗ tls        Redis speaks no TLS: set REDIS_TLS=false",
    ];
    expect(&["doctor"], &tls, 1, &lines).await;
    let nobody = with(&variables, &[("REDIS_PORT", "1")]);
    let lines = ["nothing can be connected to: correct REDIS_HOST and REDIS_PORT"];
    expect(&["doctor"], &nobody, 1, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_scripts_is_told_all_commands() {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    let user = [
        "ACL", "SETUSER", "small", "on", ">secret", "~*", "&*", "+@all", "-evalsha",
    ];
    redis.command(&user).await.unwrap();
    let login = [("REDIS_USERNAME", "small"), ("REDIS_PASSWORD", "secret")];
    let variables = with(&variables(&s3, &redis), &login);
    let lines = [
        "✓ sign-in    as `small`",
        "✗ acl        `small` may not use EVALSHA",
        "UNLINK, ZADD",
        "✓ eviction",
    ];
    expect(&["doctor"], &variables, 1, &lines).await;
    redis
        .command(&["ACL", "SETUSER", "small", "+evalsha", "-script|load"])
        .await
        .unwrap();
    let lines = [
        "✓ sign-in    as `small`",
        "✗ acl        `small` may not use",
    ];
    redis.command(&["SCRIPT", "FLUSH"]).await.unwrap();
    expect(&["doctor"], &variables, 1, &lines).await;
}

/// What a cluster has that was one server before, and nothing reads.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_the_other_layout_is_told() {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    let variables = variables(&s3, &redis);
    let (_, said) = typed(&["doctor"], &variables).await;
    assert!(!said.contains("left over"), "{said}");
    let left = ["ZADD", "redis-sync:{a}:index:config", "0", "flags/a"];
    redis.command(&left).await.unwrap();
    let lines =
        ["! left over  Redis also has what was kept with REDIS_CLUSTER the other way round"];
    expect(&["doctor"], &variables, 0, &lines).await;
}
