//! Whatever text arrives, the classifier answers, and what it takes is sound: every change has a
//! key, and an answer does not depend on when it is asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_sync_fuzz::event::{Change, Event, classify};

fn assert_sound<'a>(changes: impl IntoIterator<Item = &'a Change>) {
    for change in changes {
        assert!(!change.key.is_empty());
    }
}

fuzz_target!(|payload: &str| {
    let answer = classify(payload);
    assert_eq!(classify(payload), answer);
    match answer {
        Ok(Event::Notification(delivery)) => assert_sound(&delivery.changes),
        Ok(Event::Queue { messages, .. }) => {
            assert_sound(
                messages
                    .iter()
                    .flat_map(|message| &message.delivery.changes),
            );
        }
        Ok(Event::Batch(job)) => {
            assert_sound(
                job.tasks
                    .iter()
                    .filter_map(|task| task.change.as_ref().ok()),
            );
        }
        Ok(Event::Operation(_)) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
