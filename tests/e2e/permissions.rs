//! A user of Redis that may not do all that a commit does: it is refused before anything is written.

use crate::answers::message;
use crate::environment::assert_held;
use crate::objects::{texts, yields};
use redis_sync_local::{Environment, Redis};
use redis_sync_tests::{compiled, guest, program};
use serde_json::json;

/// Commands that a commit calls when it has begun to write.
pub(crate) const WRITES: [&str; 11] = [
    "evalsha", "expire", "hdel", "hgetall", "hset", "mset", "persist", "publish", "unlink", "zadd",
    "zrem",
];

/// What the user that functions sign in as may do.
pub(crate) struct Rights(Vec<&'static str>);

impl Rights {
    /// The rules that template.yaml gives to the user that the function signs in as.
    pub(crate) fn of_the_template() -> Self {
        let template = include_str!("../../template.yaml");
        let (_, user) = template.split_once("\n  CacheWriter:").unwrap();
        let (_, rules) = user.split_once("AccessString: ").unwrap();
        Self(rules.lines().next().unwrap().split(' ').collect())
    }

    /// The same for a cluster, whose clients ask which server has what.
    pub(crate) fn of_the_template_on_a_cluster() -> Self {
        let Self(mut rules) = Self::of_the_template();
        rules.push("+cluster|slots");
        Self(rules)
    }

    /// The variables by which a function signs in, and with which it does all that there are rules for.
    pub(crate) fn variables() -> Vec<(String, String)> {
        let variables = [
            ("REDIS_USERNAME", "limited"),
            ("REDIS_PASSWORD", "secret"),
            ("CHANGES_CHANNEL", "changes"),
        ];
        variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// The user may do what they say on these servers, and nothing else.
    pub(crate) async fn give(&self, servers: &[Redis]) {
        for server in servers {
            let user = ["ACL", "SETUSER", "limited", "reset", ">secret"];
            server.command(&[&user, &*self.0].concat()).await.unwrap();
        }
    }

    /// The user may not call a command any more.
    pub(crate) async fn take(servers: &[Redis], command: &str) {
        for server in servers {
            let rule = format!("-{command}");
            let user = ["ACL", "SETUSER", "limited", &rule];
            server.command(&user).await.unwrap();
        }
    }
}

/// A function whose user may do what these rules say.
async fn function(rules: &[&str], more: &[(&str, &str)]) -> Environment {
    let mut variables = Rights::variables();
    variables.retain(|(name, _)| name != "CHANGES_CHANNEL");
    variables.push(compiled::variable());
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    variables.extend(more);
    let environment = Environment::start_with(program::bootstrap(), variables)
        .await
        .unwrap();
    let user = ["ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all"];
    environment
        .redis
        .command(&[&user, rules].concat())
        .await
        .unwrap();
    guest::upload(&environment.s3);
    environment
}

/// Redis 7 gives a new user no channels. What cannot be published is not written either: it would never
/// be published.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_published_is_not_written() {
    let environment = function(&["resetchannels"], &[("CHANGES_CHANNEL", "changes")]).await;
    let object = yields(&json!({"k": {"bytes": "v"}}));
    let refused = message(environment.upload("flags/a", &object).await);
    assert!(
        refused.contains("may not publish on the channel of CHANGES_CHANNEL"),
        "{refused}"
    );
    assert_held(&environment, json!({})).await;
    let allow = ["ACL", "SETUSER", "limited", "&changes"];
    environment.redis.command(&allow).await.unwrap();
    environment.upload("flags/a", &object).await.unwrap();
    assert_held(&environment, json!({"k": "v"})).await;
}

/// A command that is missing in the middle would have lost the old entries.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_missing_is_missed_before_the_old_entries_go() {
    let environment = function(&["-rpush"], &[]).await;
    let before = yields(&json!({"k": {"bytes": "v"}, "gone": {"hash": {"f": "v"}}}));
    environment.upload("flags/a", &before).await.unwrap();
    let list = yields(&json!({"k": {"list": ["a", "b"]}}));
    let refused = message(environment.upload("flags/a", &list).await);
    assert!(
        refused.contains("the user may not call 'RPUSH'"),
        "{refused}"
    );
    assert_held(&environment, json!({"k": "v", "gone": {"f": "v"}})).await;
    let status = environment
        .function
        .invoke(json!({"status": {}}))
        .await
        .unwrap();
    assert_eq!(status["failed"], 1, "{status}");
    environment
        .redis
        .command(&["ACL", "SETUSER", "limited", "+rpush"])
        .await
        .unwrap();
    environment.upload("flags/a", &list).await.unwrap();
    assert_held(&environment, json!({"k": ["a", "b"]})).await;
}

/// Fails where a command is not asked about before a commit begins: the record then says what was not
/// written, and what the object had before is left for ever.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_missing_nothing_of_the_object_is_changed() {
    let environment = function(&[], &[("CHANGES_CHANNEL", "changes")]).await;
    let (servers, rights) = (
        std::slice::from_ref(&environment.redis),
        Rights::of_the_template(),
    );
    for command in WRITES {
        rights.give(servers).await;
        let before = texts(&[("k", "old"), ("gone", "old")]);
        environment.upload("flags/a", &before).await.unwrap();
        let other = texts(&[("other", "old")]);
        environment.upload("flags/b", &other).await.unwrap();
        let held = json!({"k": "old", "gone": "old", "other": "old"});
        assert_held(&environment, held.clone()).await;
        Rights::take(servers, command).await;
        let after = texts(&[("k", "new"), ("come", "new")]);
        let refused = message(environment.upload("flags/a", &after).await);
        assert!(refused.contains(" refuses: "), "{command}: {refused}");
        assert_held(&environment, held.clone()).await;
        // A deletion may do without some of them.
        let removed = environment.remove("flags/b").await.is_ok();
        let left = json!({"k": "old", "gone": "old"});
        assert_held(&environment, if removed { left } else { held }).await;
        rights.give(servers).await;
        environment.upload("flags/a", &after).await.unwrap();
        environment.remove("flags/b").await.unwrap();
        assert_held(&environment, json!({"k": "new", "come": "new"})).await;
    }
}

/// Values of every kind, small ones and such as are staged, a deletion, a full sync, and what operators ask.
#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_template_may_do_all_that_is_done() {
    let rules = [&["reset", ">secret"][..], &Rights::of_the_template().0].concat();
    assert!(!rules.contains(&"+@all"), "{rules:?}");
    let environment = function(&rules, &[("CHANGES_CHANNEL", "changes")]).await;
    let large: serde_json::Map<_, _> = (0..1500).map(|n| (format!("f{n}"), json!("v"))).collect();
    let kinds = yields(&json!({
        "bytes": {"bytes": "v"}, "hash": {"hash": {"f": "v"}}, "list": {"list": ["a"]},
        "set": {"set": ["a"]}, "large": {"hash": large},
        "long": {"bytes": "v".repeat(300_000)},
    }));
    environment.upload("flags/a", &kinds).await.unwrap();
    environment
        .upload("flags/b", &yields(&json!({"b": {"bytes": "v"}})))
        .await
        .unwrap();
    environment.remove("flags/b").await.unwrap();
    for operation in [
        json!({"sync": {"force": true, "strict": true}}),
        json!({"read": "hash"}),
        json!({"read": "list"}),
        json!({"read": "set"}),
        json!({"read": "bytes"}),
        json!({"explain": "hash"}),
        json!({"status": {}}),
        json!({"forget": {"bucket": "another"}}),
    ] {
        let answer = environment.function.invoke(operation.clone()).await;
        assert!(answer.is_ok(), "{operation}: {answer:?}");
    }
    assert_eq!(
        environment.redis.command(&["EXISTS", "b"]).await.unwrap(),
        "0"
    );
}
