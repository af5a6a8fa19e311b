//! What is unchanged is neither run nor written again; whatever can change the result, is.

use crate::answers::outcome;
use crate::environment::{change_plugins, environment, upload};
use crate::objects::yields;
use redis_sync_local::{BUCKET, Environment, event};
use redis_sync_tests::compiled;
use redis_sync_tests::held::held;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn deliver(environment: &Environment) -> Value {
    let event = event::created(BUCKET, "flags/a");
    environment.function.invoke(event).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_object_is_neither_run_nor_written() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "1")]).await;
    // Whoever wrote the entries again would overwrite this.
    environment
        .redis
        .command(&["SET", "k", "mark"])
        .await
        .unwrap();
    let report = deliver(&environment).await;
    assert_eq!(outcome(&report), "unchanged", "{report}");
    assert_eq!(
        (
            &report["objects"][0]["fuel"],
            &report["objects"][0]["entries"]
        ),
        (&json!(null), &json!(1))
    );
    assert_eq!(held(&environment.redis).await, json!({"k": "mark"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_module_setting_or_limit_runs_it_again() {
    let environment = environment(&[]).await;
    upload(&environment, "flags/a", &[("k", "1")]).await;
    let route = "[[route]]\nprefix = \"flags/\"\nplugin = \"flags.wasm\"\n";
    let changes: [(&str, Vec<u8>); 5] = [
        ("plugins/flags.wasm", compiled::variant("A")),
        (
            "plugins/routes.toml",
            format!("{route}settings = {{ a = \"1\" }}\n").into(),
        ),
        (
            "plugins/routes.toml",
            format!("{route}fuel = 400000000\n").into(),
        ),
        (
            "plugins/routes.toml",
            format!("{route}ttl_seconds = 3600\n").into(),
        ),
        (
            "plugins/routes.toml",
            format!("{route}keys = [\"Ak\"]\n").into(),
        ),
    ];
    for (key, body) in changes {
        change_plugins(&environment, key, Some(&body)).await;
        let report = deliver(&environment).await;
        assert!(report["objects"][0]["fuel"].is_number(), "{key}: {report}");
        assert_eq!(outcome(&deliver(&environment).await), "unchanged");
    }
    assert_eq!(held(&environment.redis).await, json!({"Ak": "1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_entries_are_written_again() {
    let environment = environment(&[]).await;
    let body = yields(&json!({"k": {"expiring": ["v", 3600]}, "l": {"bytes": "v"}}));
    environment.upload("flags/a", body).await.unwrap();
    environment
        .redis
        .command(&["PEXPIRE", "k", "1"])
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while environment.redis.command(&["EXISTS", "k"]).await.unwrap() == "1" {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(outcome(&deliver(&environment).await), "synced");
    assert_eq!(held(&environment.redis).await, json!({"k": "v", "l": "v"}));
    let left = environment.redis.command(&["TTL", "k"]).await.unwrap();
    assert!(
        (3500..=3600).contains(&left.parse::<u32>().unwrap()),
        "{left}"
    );
}
