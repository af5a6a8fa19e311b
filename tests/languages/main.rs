//! Plugins in other languages, built by `make languages`, through the real `bootstrap`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use redis_sync_local::Environment;
use redis_sync_tests::held::held;
use redis_sync_tests::{compiled, program};
use serde_json::json;
use std::path::Path;

mod programs;

fn plugin(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/languages");
    let file = folder.join(name);
    std::fs::read(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make languages`", file.display()))
}

/// A function that has the module's machine code: compiling a JavaScript engine takes longer than
/// an invocation on a busy machine.
async fn environment(name: &str, module: &str, route: &str) -> Environment {
    let bytes = plugin(module);
    let folder = compiled::folder_with(&bytes).display().to_string();
    let environment = Environment::start_with(program::bootstrap(), [("COMPILED_DIR", folder)])
        .await
        .unwrap();
    environment.s3.put(&format!("plugins/{module}"), bytes);
    let routes = format!("[[route]]\nprefix = \"{name}/\"\nplugin = \"{module}\"\n{route}\n");
    environment.s3.put("plugins/routes.toml", routes);
    environment
}

/// Uploads an object; the message of its failure, if it fails.
async fn upload(environment: &Environment, key: &str, body: &str) -> Option<String> {
    let answer = environment.upload(key, body).await;
    answer.err().map(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript() {
    let settings = "settings = { hash = \"switches\" }";
    let environment = environment("flags", "feature-flags-js.wasm", settings).await;
    let flags = r#"{"dark": {"on": true}, "beta": {"on": false}}"#;
    assert_eq!(upload(&environment, "flags/x.json", flags).await, None);
    let switches = json!({"switches": {"dark": "true", "beta": "false"}});
    assert_eq!(held(&environment.redis).await, switches);

    let error = upload(&environment, "flags/x.json", "{").await.unwrap();
    assert!(error.contains("flags/x.json is not JSON"), "{error}");
    assert_eq!(held(&environment.redis).await, switches);
}

#[tokio::test(flavor = "multi_thread")]
async fn python() {
    let settings = "settings = { key = \"ranks\" }";
    let environment = environment("scores", "leaderboard-python.wasm", settings).await;
    assert_eq!(
        upload(&environment, "scores/x.csv", "ada,3\nbob,2.5\n").await,
        None
    );
    let ranks = json!({"ranks": {"scores": {"ada": 3.0, "bob": 2.5}}});
    assert_eq!(held(&environment.redis).await, ranks);

    let error = upload(&environment, "scores/x.csv", "ada").await.unwrap();
    assert!(error.contains("not made of lines `name,score`"), "{error}");
    assert_eq!(held(&environment.redis).await, ranks);
}

#[tokio::test(flavor = "multi_thread")]
async fn go() {
    let environment = environment("env", "dotenv-go.wasm", "output = \"entries\"").await;
    assert_eq!(
        upload(&environment, "env/prod", "# colours\nA=1\nB=two=2\n").await,
        None
    );
    let variables = json!({"env/prod": {"A": "1", "B": "two=2"}});
    assert_eq!(held(&environment.redis).await, variables);

    let error = upload(&environment, "env/prod", "nonsense").await.unwrap();
    assert!(error.contains("line 1 has no `=`"), "{error}");
    assert_eq!(held(&environment.redis).await, variables);
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_for_wasip2() {
    let environment = environment("yaml", "yaml_to_json.wasm", "").await;
    assert_eq!(
        upload(&environment, "yaml/x.yaml", "a: [1, 2]\n").await,
        None
    );
    let held = held(&environment.redis).await;
    assert_eq!(held.as_object().unwrap().len(), 1, "{held}");
}
