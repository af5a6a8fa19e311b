//! What the event generators of AWS SAM (`sam local generate-event`) and of cargo-lambda (`invoke
//! --data-example`) make: every one is recognised.

use super::*;

/// A generated event.
fn generated(name: &str) -> Event {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/generated");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    classify(&text).unwrap()
}

fn changed(delivery: &Delivery) -> Vec<(&str, &str)> {
    let changes = delivery.changes.iter();
    changes
        .map(|change| {
            (
                change.bucket.as_deref().unwrap_or_default(),
                change.key.as_str(),
            )
        })
        .collect()
}

#[test]
fn generated_notifications_name_their_objects() {
    for (name, object) in [
        ("sam-s3-put", ("config", "flags/a.json")),
        ("sam-s3-delete", ("config", "flags/a.json")),
        ("sam-sns-notification", ("config", "flags/a.json")),
        ("cargo-lambda-s3-event", ("sourcebucket", "Happy Face.jpg")),
    ] {
        let Event::Notification(delivery) = generated(name) else {
            panic!("{name}");
        };
        assert_eq!(changed(&delivery), [object], "{name}");
        assert!(delivery.problems.is_empty(), "{name}");
    }
}

#[test]
fn generated_batches_of_sqs_fail_message_by_message_where_they_say_nothing() {
    for (name, objects) in [
        ("sam-sqs-receive-message", vec![("config", "flags/a.json")]),
        ("sam-sqs-receive-message-default", vec![]),
        ("cargo-lambda-sqs-event", vec![]),
    ] {
        let Event::Queue { messages, fifo } = generated(name) else {
            panic!("{name}");
        };
        let [message] = &messages[..] else {
            panic!("{messages:?}");
        };
        assert_eq!(
            (changed(&message.delivery), fifo),
            (objects.clone(), false),
            "{name}"
        );
        assert_eq!(
            message.delivery.problems.is_empty(),
            !objects.is_empty(),
            "{name}"
        );
    }
    // The same of SNS: its text is no event.
    let Event::Notification(greeting) = generated("cargo-lambda-sns-event") else {
        panic!("it is a notification");
    };
    assert!(!greeting.problems.is_empty() && greeting.changes.is_empty());
}

#[test]
fn generated_jobs_and_schedules_are_known() {
    let Event::Batch(job) = generated("sam-s3-batch-invocation") else {
        panic!("it is a job");
    };
    let [task] = &job.tasks[..] else {
        panic!("{:?}", job.tasks);
    };
    assert_eq!(task.change.as_ref().unwrap().key, "flags/a.json");
    let scheduled = Event::Operation(Operation::Sync(SyncRequest::scheduled()));
    for name in [
        "sam-cloudwatch-scheduled-event",
        "cargo-lambda-eventbridge-schedule",
    ] {
        assert_eq!(generated(name), scheduled, "{name}");
    }
}
