//! A module on its way to be a plugin: previewed, published, refused, rolled back.

use crate::typed::{Variables, expect, lambda, typed};
use redis_sync_local::{BUCKET, Environment, Operation, Redis, S3, variables};
use redis_sync_tests::connection::connect;
use redis_sync_tests::{guest, program};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// Keys of the object that readers look at.
const KEYS: usize = 50;

/// Modules in files: one after the other with other keys, and one that fails on every object.
struct Modules {
    folder: tempfile::TempDir,
}

impl Modules {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for letters in ["one", "two", "tri"] {
            let file = folder.path().join(format!("{letters}.wasm"));
            std::fs::write(file, guest::scripted_variant(letters)).unwrap();
        }
        std::fs::write(
            folder.path().join("bad.wasm"),
            guest::module("supplier-permissions"),
        )
        .unwrap();
        std::fs::write(folder.path().join("text.wasm"), "hello").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder
            .path()
            .join(format!("{name}.wasm"))
            .display()
            .to_string()
    }
}

fn many() -> String {
    json!({"do": "many", "key": "k", "count": KEYS, "value": "v"}).to_string()
}

/// A bucket with an object of many keys, and a Redis; and the variables that lead there.
pub(crate) async fn system() -> (S3, Redis, Vec<(String, String)>) {
    let (s3, redis) = tokio::try_join!(S3::start(BUCKET), Redis::start()).unwrap();
    s3.put("flags/a", many());
    let variables = variables(&s3, &redis);
    (s3, redis, variables)
}

/// Types `publish` and expects its status and parts of what it says.
async fn publish(module: &str, variables: &Variables, status: i32, parts: &[&str]) {
    let words = ["publish", module, "--route", "flags/", "--yes"];
    expect(&words, variables, status, parts).await;
}

/// Whether Redis has the first and the last key with these letters before them.
async fn has(redis: &Redis, letters: &str) -> bool {
    let (first, last) = (format!("{letters}k:0"), format!("{letters}k:{}", KEYS - 1));
    redis.command(&["EXISTS", &first, &last]).await.unwrap() == "2"
}

/// Reads all that plugins may have written until it is over; how many different states were seen. No
/// state has keys of two plugins, or some of one.
async fn read(redis: &Redis, over: Arc<AtomicBool>) -> JoinHandle<usize> {
    let mut link = connect(redis).await;
    tokio::spawn(async move {
        let (mut states, mut last) = (0, None);
        while !over.load(Ordering::Relaxed) {
            let mut pipeline = redis::pipe();
            pipeline.atomic();
            for letters in ["one", "two", "tri"] {
                for number in 0..KEYS {
                    pipeline.exists(format!("{letters}k:{number}"));
                }
            }
            let seen: Vec<bool> = pipeline.query_async(&mut link).await.unwrap();
            let of_plugins: Vec<bool> = seen.chunks(KEYS).map(|keys| keys[0]).collect();
            for (keys, there) in seen.chunks(KEYS).zip(&of_plugins) {
                assert!(
                    keys.iter().all(|key| key == there),
                    "some keys of an object: {seen:?}"
                );
            }
            assert!(
                of_plugins.iter().filter(|there| **there).count() <= 1,
                "a mix: {of_plugins:?}"
            );
            if last.as_ref() != Some(&of_plugins) {
                states += 1;
                last = Some(of_plugins);
            }
        }
        states
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_previewed_published_and_rolled_back_and_a_bad_one_is_refused() {
    let (s3, redis, variables) = system().await;
    let modules = Modules::new();
    let over = Arc::new(AtomicBool::new(false));
    let reader = read(&redis, Arc::clone(&over)).await;

    publish(
        &modules.path("one"),
        &variables,
        0,
        &["a transform", "published as `flags.wasm`", "1 synced"],
    )
    .await;
    assert!(has(&redis, "one").await);
    assert!(
        s3.keys().iter().all(|key| !key.contains("/.")),
        "{:?}",
        s3.keys()
    );

    let two = modules.path("two");
    let preview = ["preview", two.as_str(), "--route", "flags/"];
    let said = [
        "1 object, 1 would change, 0 would fail",
        "50 added, 0 changed, 50 removed",
        "- onek:0 (bytes; 1 bytes)",
    ];
    expect(&preview, &variables, 0, &said).await;
    assert!(has(&redis, "one").await && !has(&redis, "two").await);
    publish(&two, &variables, 0, &["published as `flags.wasm`"]).await;
    assert!(has(&redis, "two").await && !has(&redis, "one").await);

    let refused = ["1 would fail", "refused: 1 object would newly fail"];
    publish(&modules.path("bad"), &variables, 1, &refused).await;
    publish(&modules.path("text"), &variables, 1, &["✗ text.wasm"]).await;
    assert!(has(&redis, "two").await);

    expect(
        &["rollback", "flags", "--yes"],
        &variables,
        0,
        &["published as `flags.wasm`"],
    )
    .await;
    assert!(has(&redis, "one").await && !has(&redis, "two").await);
    let nothing = ["there is no such earlier version", "--to one of"];
    expect(&["rollback", "flags", "--to", "x"], &variables, 3, &nothing).await;
    publish(&modules.path("tri"), &variables, 0, &["published"]).await;
    over.store(true, Ordering::Relaxed);
    let states = reader.await.unwrap();
    assert!(states >= 4, "only {states} states were seen");
    publish(
        &modules.path("tri"),
        &variables,
        0,
        &["is that module already", "1 unchanged"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plugin_of_the_route_is_never_written() {
    let (s3, redis, variables) = system().await;
    let modules = Modules::new();
    let one = modules.path("one");
    let names = [
        "",
        "routes.toml",
        "noext",
        "other.wasm",
        ".candidates/x.wasm",
        "../flags.wasm",
    ];
    for name in names {
        for command in ["publish", "preview"] {
            let words = [command, &one, "--route", "flags/", "--plugin", name];
            let said = ["does not have the plugin", "name another --route"];
            expect(&words, &variables, 3, &said).await;
        }
    }
    let words = ["publish", &one, "--route", ".previous/x/", "--yes"];
    expect(&words, &variables, 3, &["is no name of a plugin"]).await;
    let words = ["rollback", ".candidates/x.wasm", "--yes"];
    expect(&words, &variables, 3, &["is no name of a plugin"]).await;

    s3.put("plugins/routes.toml", "[[route]]\nprefix = 1\n");
    for command in [
        &["publish", &one, "--route", "flags/"][..],
        &["rollback", "flags.wasm"],
    ] {
        let words = [command, &["--yes"]].concat();
        expect(&words, &variables, 3, &["`routes.toml` is not valid"]).await;
    }
    assert_eq!(s3.keys(), ["flags/a", "plugins/routes.toml"]);
    assert_eq!(redis.command(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_convention_the_object_of_the_plugins_name_is_its_own_and_longer_names_are_not() {
    let (s3, redis, variables) = system().await;
    s3.put("plugins/flags2.wasm", guest::scripted());
    let failing = json!({"do": "fail", "message": "no"}).to_string();
    s3.put("flags2/bad", failing);
    let object = json!({"do": "yield", "entries": {"k": {"bytes": "v"}}});
    s3.put("flags", object.to_string());
    let modules = Modules::new();
    let said = ["2 objects, 2 would change", "2 objects: 2 synced"];
    publish(&modules.path("one"), &variables, 0, &said).await;
    assert!(has(&redis, "one").await);
    assert_eq!(redis.command(&["GET", "onek"]).await.unwrap(), "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_there_to_be_tried_that_is_said() {
    let (s3, _redis, variables) = system().await;
    let modules = Modules::new();
    let one = modules.path("one");
    let said = "no object is there that it would take, so that nothing was tried";
    let words = ["preview", &one, "--route", "flgas/"];
    expect(&words, &variables, 1, &["! flgas.wasm on `flgas/`", said]).await;
    let words = ["publish", &one, "--route", "new/", "--yes", "--json"];
    let (status, answer) = typed(&words, &variables).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (status, &answer["published"]),
        (0, &json!(true)),
        "{answer}"
    );
    assert_eq!(answer["preview"]["objects"], 0);
    assert!(s3.keys().contains(&"plugins/new.wasm".to_owned()));
    let words = ["publish", &one, "--route", "newer/", "--yes"];
    expect(&words, &variables, 0, &[said, "✓ 0 objects\n"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_publish_at_once_the_second_loses_politely() {
    let (s3, redis, variables) = system().await;
    let modules = Modules::new();
    publish(&modules.path("one"), &variables, 0, &[]).await;
    let parked = s3.park(Operation::PutObject, "plugins/flags.wasm");
    let (two, slow) = (modules.path("two"), variables.clone());
    let slow = tokio::spawn(async move {
        let words = ["publish", two.as_str(), "--route", "flags/", "--yes"];
        typed(&words, &slow).await
    });
    parked.reached().await;
    publish(&modules.path("tri"), &variables, 0, &["published"]).await;
    parked.release();
    let (status, said) = slow.await.unwrap();
    assert_eq!(status, 3, "{said}");
    assert!(
        said.contains("somebody else has published `flags.wasm` meanwhile"),
        "{said}"
    );
    assert_eq!(
        s3.get("plugins/flags.wasm").unwrap().body,
        guest::scripted_variant("tri")
    );
    assert!(has(&redis, "tri").await && !has(&redis, "two").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_versioned_bucket_a_rollback_takes_a_version_of_it() {
    let (s3, redis, variables) = system().await;
    s3.enable_versioning();
    s3.put(
        "plugins/routes.toml",
        "[[route]]\nprefix = \"flags/\"\nplugin = \"other.wasm\"\n",
    );
    let modules = Modules::new();
    publish(
        &modules.path("one"),
        &variables,
        0,
        &["published as `other.wasm`"],
    )
    .await;
    let first = s3.get("plugins/other.wasm").unwrap().version_id.unwrap();
    publish(&modules.path("two"), &variables, 0, &[]).await;
    publish(&modules.path("tri"), &variables, 0, &[]).await;
    assert!(
        !s3.keys().iter().any(|key| key.contains(".previous")),
        "{:?}",
        s3.keys()
    );
    expect(
        &["rollback", "other.wasm", "--yes"],
        &variables,
        0,
        &["published"],
    )
    .await;
    assert!(has(&redis, "two").await);
    expect(
        &["rollback", "other.wasm", "--yes", "--to", &first],
        &variables,
        0,
        &["published"],
    )
    .await;
    assert!(has(&redis, "one").await && !has(&redis, "two").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_function_a_candidate_is_uploaded_compiled_there_and_removed() {
    let key = [("COMPILED_CACHE_KEY", "0123456789abcdef0123456789abcdef")];
    let environment = Environment::start_with(program::bootstrap(), key)
        .await
        .unwrap();
    environment.s3.put("flags/a", many());
    let environment = Arc::new(environment);
    let endpoint = lambda(Arc::clone(&environment)).await;
    let variables = [
        ("AWS_ENDPOINT_URL_LAMBDA", endpoint.as_str()),
        ("AWS_ENDPOINT_URL_S3", environment.s3.endpoint()),
        ("S3_FORCE_PATH_STYLE", "true"),
        ("CONFIG_BUCKET_NAME", BUCKET),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let modules = Modules::new();
    let one = modules.path("one");
    let with_function = |words: [&'static str; 1]| {
        let mut words = Vec::from(words);
        words.extend(["--route", "flags/", "--function", "redis-sync"]);
        words
    };
    let mut words = with_function(["preview"]);
    words.insert(1, &one);
    expect(&words, &variables, 0, &["1 object, 1 would change"]).await;
    assert_eq!(environment.s3.keys(), ["flags/a"]);
    assert_eq!(environment.redis.command(&["DBSIZE"]).await.unwrap(), "0");

    let mut words = with_function(["publish"]);
    words.insert(1, &one);
    words.push("--yes");
    expect(
        &words,
        &variables,
        0,
        &["published as `flags.wasm`", "1 synced"],
    )
    .await;
    assert!(has(&environment.redis, "one").await);
    let keys = environment.s3.keys();
    let beginnings: Vec<&str> = keys
        .iter()
        .filter_map(|key| key.split('/').next())
        .collect();
    assert_eq!(beginnings, ["compiled", "flags", "plugins"], "{keys:?}");
}
