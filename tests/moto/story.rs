//! A deployment's story: many objects, a bad plugin, dead letters, a roll-back, a redrive, and everything
//! equal at the end; also with a function that is killed again and again.

use super::{Moto, variables};
use redis_sync_local::{Function, Redis};
use redis_sync_tests::held::held;
use redis_sync_tests::{compiled, guest, program};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// How long a function lives that is killed.
const LIFE: Duration = Duration::from_secs(3);

/// How long a story of a hundred objects may take: one that never ends is to be seen.
const STORY: Duration = Duration::from_mins(4);

/// What an invocation may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A deployment: moto, Redis, a function.
struct Deployment {
    moto: Moto,
    redis: Redis,
    variables: Vec<(String, String)>,
    function: Function,
    /// When the function dies, where it does.
    dies: Option<Instant>,
    /// How often it has died.
    deaths: usize,
    /// When it must be over.
    ends: Instant,
}

impl Deployment {
    async fn start(number: usize, is_killed: bool) -> Self {
        let mut moto = Moto::start("moto/story.py");
        let endpoint = moto.line()["endpoint"].as_str().unwrap().to_owned();
        let redis = Redis::start().await.unwrap();
        let mut variables = variables(&endpoint, &redis);
        variables.push(compiled::variable());
        let function = start(&variables).await;
        Self {
            moto,
            redis,
            variables,
            function,
            dies: is_killed.then(|| Instant::now() + LIFE),
            deaths: 0,
            ends: Instant::now() + STORY * u32::try_from(number.div_ceil(100)).unwrap(),
        }
    }

    /// Has the function work off the queue. What fails there is delivered again, and comes to lie among
    /// the dead letters in the end.
    async fn work_off(&mut self) {
        loop {
            assert!(Instant::now() < self.ends, "it comes to no end");
            let batch = self.moto.ask(&json!(["receive"]));
            let records = batch["Records"].as_array().unwrap();
            if records.is_empty() {
                return;
            }
            let all = records
                .iter()
                .map(|record| record["messageId"].clone())
                .collect();
            let failures = match self.invoke(&batch).await {
                Some(answer) => answer["batchItemFailures"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|failure| failure["itemIdentifier"].clone())
                    .collect(),
                None => Value::Array(all),
            };
            self.moto.ask(&json!(["settle", failures]));
        }
    }

    /// Invokes the function; `None` where it died of it, after which there is a new one.
    async fn invoke(&mut self, event: &Value) -> Option<Value> {
        let answer = self.function.invoke_within(event, LIMIT);
        let Some(dies) = self.dies else {
            return Some(answer.await.unwrap());
        };
        match tokio::time::timeout_at(dies.into(), answer).await {
            Ok(answer) => Some(answer.unwrap()),
            Err(_) => {
                self.function.kill().await;
                self.function = start(&self.variables).await;
                self.dies = Some(Instant::now() + LIFE);
                self.deaths += 1;
                None
            }
        }
    }

    /// Sends what lies among the dead letters again, until there is nothing; how many these were.
    async fn send_failed_again(&mut self) -> u64 {
        let mut all = 0;
        loop {
            let sent = self.moto.ask(&json!(["send_failed_again"]));
            match sent.as_u64().unwrap() {
                0 => return all,
                sent => all += sent,
            }
            self.work_off().await;
        }
    }

    fn put(&mut self, objects: Value) {
        self.moto.ask(&json!(["put", objects]));
    }
}

async fn start(variables: &[(String, String)]) -> Function {
    let variables = variables.to_vec();
    Function::start(program::bootstrap(), variables)
        .await
        .unwrap()
}

fn object(key: &str, value: &str) -> String {
    json!({"do": "yield", "entries": {key: {"bytes": value}}}).to_string()
}

/// Objects `flags/<n>`, each of which yields its number with this value.
fn objects(numbers: std::ops::Range<usize>, value: &str) -> Value {
    let objects = numbers.map(|number| {
        let number = number.to_string();
        (format!("flags/{number}"), json!(object(&number, value)))
    });
    objects.collect::<Map<_, _>>().into()
}

fn expected(held: &mut Map<String, Value>, numbers: std::ops::Range<usize>, value: &str) {
    held.extend(numbers.map(|number| (number.to_string(), json!(value))));
}

/// Objects of a story. `STORY_OBJECTS` asks for more: moto takes long for many.
fn number() -> usize {
    let number = std::env::var("STORY_OBJECTS").ok();
    number.map_or(200, |number| number.parse().unwrap())
}

async fn story(number: usize, is_killed: bool) {
    let mut deployment = Deployment::start(number, is_killed).await;
    deployment.put(json!({"plugins/flags.wasm": {"path": guest::path("scripted")}}));
    deployment.put(objects(0..number, "1"));
    deployment.work_off().await;
    // Whatever was on its way at five deaths.
    deployment.send_failed_again().await;
    let mut all = Map::new();
    expected(&mut all, 0..number, "1");
    assert_eq!(held(&deployment.redis).await, json!(all));

    // A bad plugin: nothing changes in Redis, whatever is uploaded meanwhile.
    deployment.put(json!({"plugins/flags.wasm": "no module"}));
    deployment.put(objects(0..20, "2"));
    deployment.put(objects(number..number + 5, "1"));
    deployment.work_off().await;
    assert_eq!(
        held(&deployment.redis).await,
        json!(all),
        "the last good entries"
    );

    deployment
        .moto
        .ask(&json!(["roll_back", "plugins/flags.wasm"]));
    deployment.work_off().await;
    let redriven = deployment.send_failed_again().await;
    // The bad plugin's own event, and those of the objects.
    assert!(redriven >= 26, "{redriven}");
    // A deletion of which no event came: the daily sync finds it.
    deployment.moto.ask(&json!(["delete", "flags/20"]));
    let daily = json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
    while deployment.invoke(&daily).await.is_none() {}
    all.remove("20");
    assert_eq!(deployment.deaths > 0, is_killed);
    expected(&mut all, 0..20, "2");
    expected(&mut all, number..number + 5, "1");
    assert_eq!(held(&deployment.redis).await, json!(all));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_plugin_is_rolled_back_and_what_failed_is_sent_again() {
    story(number(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_with_a_function_that_is_killed_every_few_seconds() {
    story(number(), true).await;
}
