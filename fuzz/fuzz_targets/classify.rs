//! Whatever text arrives, the classifier answers, and what it takes is sound: every change has a
//! key, and an answer does not depend on when it is asked for.
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the host's modules, compiled in by path"
)]

#[path = "../../host/src/event/mod.rs"]
mod event;
#[path = "../../host/src/work.rs"]
mod work;

use event::{Change, Event};
use libfuzzer_sys::fuzz_target;

fn assert_sound<'a>(changes: impl IntoIterator<Item = &'a Change>) {
    for change in changes {
        assert!(!change.key.is_empty());
    }
}

fuzz_target!(|payload: &str| {
    let answer = event::classify(payload);
    assert_eq!(event::classify(payload), answer);
    match answer {
        Ok(Event::Notification(delivery)) => assert_sound(&delivery.changes),
        Ok(Event::Queue { messages, .. }) => {
            assert_sound(messages.iter().flat_map(|message| &message.delivery.changes));
        }
        Ok(Event::Batch(job)) => {
            assert_sound(job.tasks.iter().filter_map(|task| task.change.as_ref().ok()));
        }
        Ok(Event::Operation(_)) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
