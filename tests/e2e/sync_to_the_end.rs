//! A full sync that ends, and is loud where it does not: a cursor, strict syncs and schedules, failed events
//! sent again.

use crate::answers::message;
use crate::environment::{assert_held, environment, sync};
use crate::objects::{failing, one};
use crate::out_of_time::{is_stuck, now, stuck_end, within};
use crate::payloads::identifiers;
use redis_sync::fingerprint::sha256;
use redis_sync::text::counted;
use redis_sync_local::{BUCKET, Environment, Operation, event};
use redis_sync_tests::compiled;
use redis_sync_tests::held::held;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime};

/// Also with force, where nothing is passed by and a page takes as long each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_out_of_time_says_where_it_goes_on_and_goes_on_there() {
    let environment = environment(&[]).await;
    stuck_end(&environment);
    let request = json!({"force": true});
    let report = within(&environment, request, 15).await.unwrap();
    assert_eq!(report["next"], "a/119", "{report}");
    assert_eq!(report["got_on"], true, "{report}");
    assert_eq!(report["status"], "error", "{report}");
    let rest = json!({"force": true, "after": "a/119"});
    let stuck = within(&environment, rest.clone(), 12).await.unwrap();
    assert_eq!(
        (&stuck["next"], &stuck["got_on"]),
        (&json!("a/119"), &json!(false))
    );
    environment.s3.clear_faults();
    let rest = within(&environment, rest, 60).await.unwrap();
    assert_eq!(rest["message"], "1 object: 1 synced", "{rest}");
    assert_eq!(rest.get("next"), None);
    assert_eq!(
        held(&environment.redis).await.as_object().unwrap().len(),
        121
    );
}

/// A failure that Redis has no room to record leaves no trace in the index.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_failure_is_not_recorded_is_tried_and_counted_once() {
    let environment = environment(&[]).await;
    let keys = ["a/0", "a/1", "a/2"];
    let read = keys.map(|key| {
        environment.s3.put(key, "quick");
        environment.s3.park(Operation::GetObject, key)
    });
    let filling = async {
        for read in &read {
            read.reached().await;
        }
        let full = ["CONFIG", "SET", "maxmemory", "1"];
        environment.redis.command(&full).await.unwrap();
        drop(read);
    };
    let (report, ()) = tokio::join!(sync(&environment, json!({})), filling);
    assert_eq!(report["counts"]["failed"], 3, "{report}");
    assert_eq!(report["failed"].as_array().unwrap().len(), 3);
    let room = ["CONFIG", "SET", "maxmemory", "0"];
    environment.redis.command(&room).await.unwrap();
    let report = sync(&environment, json!({})).await;
    assert_eq!(report["message"], "3 objects: 3 synced");
}

/// What is gone is removed by the stretch that it lies in, and by no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_leaves_what_comes_before_it_as_it_is() {
    let environment = environment(&[]).await;
    for key in ["a", "b", "c", "d"] {
        environment.upload(key, key).await.unwrap();
    }
    for key in ["a", "c"] {
        environment.s3.delete(key);
    }
    let report = sync(&environment, json!({"after": "b"})).await;
    assert_eq!(report["message"], "2 objects: 1 unchanged, 1 deleted");
    assert_held(&environment, json!({"a": "a", "b": "b", "d": "d"})).await;
    let report = sync(&environment, json!({})).await;
    assert_eq!(report["message"], "3 objects: 2 unchanged, 1 deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_sync_and_a_schedule_fail_where_anything_does() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/a", failing());
    let quiet = sync(&environment, json!({})).await;
    assert_eq!(quiet["status"], "error");
    let schedule = json!({
        "version": "0", "id": "i", "detail-type": "Scheduled Event", "source": "aws.events", "account": "1",
        "time": "2026-11-24T00:00:00Z", "region": "eu-west-2", "resources": [], "detail": {},
    });
    let strict = json!({"sync": {"strict": true}});
    for payload in [&strict, &schedule] {
        let said = environment
            .function
            .invoke(payload.clone())
            .await
            .unwrap_err()
            .to_string();
        assert!(said.contains("SyncIncomplete"), "{said}");
        assert!(
            said.contains("1 object: 1 failed: `flags/a`: plugin"),
            "{said}"
        );
    }
    let counted = environment
        .function
        .wait_for_log("\"SyncCompleted\":0")
        .await;
    assert!(counted.is_ok());
    environment.s3.put("flags/a", one("k"));
    for payload in [&strict, &schedule] {
        let report = environment.function.invoke(payload.clone()).await.unwrap();
        assert_eq!(report["status"], "success", "{report}");
    }
    assert_held(&environment, json!({"k": "v"})).await;
    let counted = environment
        .function
        .wait_for_log("\"SyncCompleted\":1")
        .await;
    assert!(counted.is_ok());
}

/// Nobody reads the answer of a strict sync, so its repetition must know where it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_sync_that_is_out_of_time_goes_on_when_it_is_repeated() {
    let environment = environment(&[]).await;
    stuck_end(&environment);
    let request = json!({"strict": true, "force": true});
    let said = message(within(&environment, request.clone(), 15).await);
    assert!(
        said.contains("the next one goes on after `a/119`"),
        "{said}"
    );
    let kept = status(&environment).await["syncs"][0].clone();
    assert_eq!(
        (
            &kept["after"],
            &kept["failed"],
            &kept["prefix"],
            &kept["force"]
        ),
        (&json!("a/119"), &json!(0), &json!(""), &json!(true))
    );
    environment.s3.clear_faults();
    // One of another kind begins at the front.
    let other = within(&environment, json!({"strict": true}), 60).await;
    let expected = "121 objects: 1 synced, 120 unchanged";
    assert_eq!(other.unwrap()["message"], expected);
    for objects in [1, 121] {
        let report = within(&environment, request.clone(), 60).await.unwrap();
        let expected = format!("{}: {objects} synced", counted(objects, "object"));
        assert_eq!(report["message"], expected.as_str());
        assert_eq!(status(&environment).await.get("syncs"), None);
    }
}

/// What is noted in the end is noted in the time that is kept for it, however long Redis takes: an answer that comes
/// too late is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_sync_says_where_it_ended_though_redis_does_not_answer_any_more() {
    let environment = environment(&[]).await;
    for number in 0..20 {
        environment.s3.put(&format!("a/{number:02}"), "quick");
    }
    environment.s3.put("z", "slow");
    let read = environment.s3.park(Operation::GetObject, "z");
    let freezing = async {
        read.reached().await;
        environment.redis.pause().unwrap();
    };
    let strict = within(&environment, json!({"strict": true, "force": true}), 10);
    let (answer, ()) = tokio::join!(strict, freezing);
    environment.redis.resume().unwrap();
    let said = message(answer);
    assert!(said.contains("stopped after `a/"), "{said}");
    assert!(!said.contains("goes on after"), "{said}");
    let warned = "where the sync goes on cannot be noted";
    environment.function.wait_for_log(warned).await.unwrap();
}

/// Also where it cannot be looked up whether there is an earlier one to go on with.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_sync_ends_in_time_though_redis_does_not_answer() {
    let environment = environment(&[]).await;
    environment.upload("a", "v").await.unwrap();
    environment.redis.pause().unwrap();
    let (began, limit) = (Instant::now(), Duration::from_secs(4));
    message(within(&environment, json!({"strict": true}), limit.as_secs()).await);
    environment.redis.resume().unwrap();
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
}

/// What failed before the place where it goes on is not forgotten, and is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_sync_that_goes_on_knows_of_what_failed_before() {
    let environment = environment(&[]).await;
    environment.s3.put("plugins/0.wasm", compiled::variant("Z"));
    environment.s3.put("0/fails", failing());
    stuck_end(&environment);
    let request = json!({"strict": true, "force": true});
    let strict = |seconds| within(&environment, request.clone(), seconds);
    let said = message(strict(15).await);
    assert!(said.contains("goes on after `a/118`"), "{said}");
    environment.s3.clear_faults();
    let said = message(strict(60).await);
    assert!(
        said.contains("2 objects: 2 synced; 1 failed up to `a/118`"),
        "{said}"
    );
    let said = message(strict(60).await);
    assert!(said.contains("1 failed: `0/fails`"), "{said}");
    environment.s3.put("0/fails", one("mended"));
    strict(60).await.unwrap();
}

async fn status(environment: &Environment) -> Value {
    let status = json!({"status": {}});
    environment.function.invoke(status).await.unwrap()
}

/// While some objects are as the new plugin makes them and others as the old one did, status says so.
#[tokio::test(flavor = "multi_thread")]
async fn status_says_that_a_plugin_is_half_changed() {
    let environment = environment(&[]).await;
    for key in ["a", "b", "stuck"] {
        environment.s3.put(&format!("flags/{key}"), one(key));
    }
    sync(&environment, json!({})).await;
    assert_eq!(status(&environment).await.get("changes"), None);
    let module = compiled::variant("A");
    environment.s3.put("plugins/flags.wasm", &module);
    let event = event::created(BUCKET, "plugins/flags.wasm");
    for ends_by_sync in [false, true] {
        is_stuck(&environment, "flags/stuck");
        environment.s3.put("flags/stuck", one("stuck"));
        let limit = Duration::from_secs(12);
        let failed = environment.function.invoke_within(&event, limit).await;
        let said = message(failed);
        assert!(said.contains("`flags/stuck`: not finished"), "{said}");
        assert!(said.ends_with("about 1 are left"), "{said}");
        let half = status(&environment).await["changes"].clone();
        assert_eq!(
            (&half[0]["plugin"], &half[0]["digest"]),
            (&json!("flags.wasm"), &json!(sha256(&module)))
        );
        assert_eq!((&half[0]["done"], &half[0]["left"]), (&json!(2), &json!(1)));
        environment.s3.clear_faults();
        if ends_by_sync {
            sync(&environment, json!({})).await;
        } else {
            environment.function.invoke(&event).await.unwrap();
        }
        assert_eq!(status(&environment).await.get("changes"), None);
        let later = SystemTime::now() + Duration::from_secs(60);
        environment.s3.set_clock(Some(later));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_destination_keeps_of_a_failed_event_is_sent_again_as_it_is() {
    let environment = environment(&[]).await;
    let kept = |payload: Value| {
        json!({
            "version": "1.0", "timestamp": "2026-11-24T00:00:00.000Z",
            "requestContext": {"requestId": "r", "condition": "RetriesExhausted", "approximateInvokeCount": 3},
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
            "responsePayload": {"errorType": "ObjectsFailed", "errorMessage": "1 of 1 object failed"},
        })
    };
    environment.s3.put("flags/a", failing());
    let direct = kept(event::created("config", "flags/a"));
    let failed = message(environment.function.invoke(direct.clone()).await);
    assert!(failed.contains("`flags/a`"), "{failed}");
    let queued = |body: &Value| {
        json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": body.to_string(),
            "eventSourceARN": "arn:aws:sqs:eu-west-2:1:redrive"}]})
    };
    let answer = environment.function.invoke(queued(&direct)).await.unwrap();
    assert_eq!(identifiers(&answer), ["m"]);
    environment.s3.put("flags/a", one("k"));
    let answer = environment.function.invoke(queued(&direct)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    environment.s3.put("flags/a", one("l"));
    environment.function.invoke(direct).await.unwrap();
    assert_held(&environment, json!({"l": "v"})).await;
    // A sync that failed as well.
    environment.s3.put("flags/b", one("m"));
    let answer = environment
        .function
        .invoke(queued(&kept(json!({"sync": {"strict": true}}))))
        .await;
    assert_eq!(answer.unwrap(), json!({"batchItemFailures": []}));
    assert_held(&environment, json!({"l": "v", "m": "v"})).await;
    // Nobody reads the answer to what is sent again directly.
    environment.s3.put("flags/b", failing());
    let sync = json!({"sync": {}});
    let batch = queued(&event::created("config", "flags/b"));
    for payload in [sync.clone(), batch] {
        environment.function.invoke(payload.clone()).await.unwrap();
        let failed = message(environment.function.invoke(kept(payload)).await);
        assert!(failed.contains("has failed again"), "{failed}");
    }
    environment.s3.put("flags/b", one("m"));
    environment.function.invoke(kept(sync)).await.unwrap();
}

/// Each is run again each time, so one that had to get through a hundred of them at once would begin with these for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_forced_sync_gets_on_however_few_objects_fit_into_its_time() {
    let environment = environment(&[]).await;
    for number in 0..60 {
        environment.s3.put(&format!("a/{number:02}"), "quick");
    }
    is_stuck(&environment, "a/30");
    let report = within(&environment, json!({"force": true}), 10).await;
    let report = report.unwrap();
    let next = report["next"].as_str().unwrap();
    assert!(("a/07".."a/30").contains(&next), "{report}");
}

/// The metrics of so many invocations, and of each whether a sync was counted, and as complete or not.
async fn completed(environment: &Environment, invocations: usize) -> Vec<Option<u64>> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let logs = environment.function.logs();
        let lines = logs
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ended = lines.filter(|line| line["Duration"].is_number());
        let counted = ended.map(|line| line["SyncCompleted"].as_u64());
        let counted: Vec<Option<u64>> = counted.collect();
        if counted.len() >= invocations {
            return counted;
        }
        assert!(Instant::now() < deadline, "{logs:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whoever publishes a plugin syncs what it takes: that is no sync of the bucket, whose alarm it would keep silent.
#[tokio::test(flavor = "multi_thread")]
async fn only_syncs_of_the_whole_bucket_are_counted_and_with_all_that_failed_in_them() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/a", one("a"));
    let now = now();
    let rest = |chain: &Value| json!({"after": "flags/", "chain": chain});
    let table = [
        (json!({"prefix": "flags/"}), None),
        (json!({"prefix": "flags/", "everything": true}), Some(1)),
        (json!({"after": "flags/"}), None),
        (json!({"dry_run": true}), None),
        (json!({}), Some(1)),
        (rest(&json!({"whole": true, "ended": now})), Some(1)),
        (
            rest(&json!({"whole": true, "ended": now, "failed": 2})),
            Some(0),
        ),
        (rest(&json!({"ended": now})), None),
        // What goes on with another one's chain.
        (
            json!({"prefix": "flags/", "chain": {"whole": true, "ended": now}}),
            None,
        ),
        (json!({"verify": true}), Some(1)),
    ];
    for (request, _) in &table {
        sync(&environment, request.clone()).await;
    }
    let expected = table.map(|(_, counted)| counted);
    assert_eq!(completed(&environment, expected.len()).await, expected);
}

/// A part that is sent again after days, from a dead-letter queue, say: nobody has looked at what has happened since.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_sync_that_comes_days_late_begins_at_the_front() {
    let environment = environment(&[]).await;
    environment.s3.put("a", "v");
    let hours_ago = |hours: u64| json!({"after": "b", "chain": {"whole": true, "ended": now() - 3_600_000 * hours}});
    for (hours, expected) in [(5, "0 objects"), (7, "1 object: 1 synced")] {
        let report = sync(&environment, hours_ago(hours)).await;
        assert_eq!(report["message"], expected);
    }
}

/// What is done is passed over the next time, so that a page which takes longer than an invocation is done in several.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_does_not_get_through_a_page_gets_on_as_long_as_it_does_anything() {
    let environment = environment(&[]).await;
    for number in 0..20 {
        environment.s3.put(&format!("a/{number:02}"), "quick");
    }
    is_stuck(&environment, "a/10");
    for (got_on, unchanged) in [(true, 0), (false, 19)] {
        let report = within(&environment, json!({}), 6).await.unwrap();
        assert_eq!(report["counts"]["unchanged"], unchanged, "{report}");
        assert_eq!(
            (&report["next"], &report["got_on"]),
            (&json!(""), &json!(got_on))
        );
        let said = report["message"].as_str().unwrap();
        assert!(said.contains("stopped at the start"), "{said}");
    }
}

/// What is known of a change is noted in the time that there is: an answer that comes too late is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugins_event_is_answered_in_time_though_redis_does_not_answer_any_more() {
    let environment = environment(&[]).await;
    environment.s3.put("flags/a", one("a"));
    environment
        .s3
        .put("plugins/flags.wasm", compiled::variant("A"));
    let read = environment.s3.park(Operation::GetObject, "flags/a");
    let freezing = async {
        read.reached().await;
        environment.redis.pause().unwrap();
    };
    let event = event::created(BUCKET, "plugins/flags.wasm");
    let changed = environment
        .function
        .invoke_within(event, Duration::from_secs(10));
    let (answer, ()) = tokio::join!(changed, freezing);
    environment.redis.resume().unwrap();
    let said = message(answer);
    assert!(said.contains("plugins/flags.wasm"), "{said}");
}

/// A place that is none of its own would pass over what was deleted under the prefix.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_of_another_sync_is_refused() {
    let environment = environment(&[]).await;
    let request = json!({"sync": {"prefix": "b/", "after": "a/z"}});
    let said = message(environment.function.invoke(request).await);
    assert!(
        said.contains("`after` is no key under the prefix `b/`"),
        "{said}"
    );
}

/// The answer is thrown away where nobody waits for it: the log has to say why.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_before_an_object_is_begun_or_done_is_told_in_the_log() {
    let environment = environment(&[]).await;
    let told = |what: &'static str| environment.function.wait_for_log(what);
    let batch = |body: Value| {
        json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": body.to_string(),
            "eventSourceARN": "arn:aws:sqs:eu-west-2:1:events"}]})
    };
    environment.s3.put("flags/a", one("a"));
    environment.s3.fail(Operation::ListObjectsV2, 100, 403);
    let created = batch(event::created(BUCKET, "flags/a"));
    let answer = environment.function.invoke(created).await.unwrap();
    assert_eq!(identifiers(&answer), ["m"]);
    told("\"objects failed before they were begun\"")
        .await
        .unwrap();
    let strict = batch(json!({"sync": {}}));
    let answer = environment.function.invoke(strict).await.unwrap();
    assert_eq!(identifiers(&answer), ["m"]);
    told("\"a sync that a message asks for is not done\"")
        .await
        .unwrap();
    let strict = json!({"sync": {"strict": true}});
    environment.function.invoke(strict).await.unwrap_err();
    told("the sync is not complete: 0 objects").await.unwrap();

    environment.s3.clear_faults();
    is_stuck(&environment, "flags/a");
    let (created, limit) = (event::created(BUCKET, "flags/a"), Duration::from_secs(5));
    let late = environment.function.invoke_within(created, limit).await;
    late.unwrap_err();
    told("\"objects were not done in time\"").await.unwrap();
}
