//! The function's own queue.

use super::{Finding, bad, doubtful, good};
use crate::queue::Queue;
use redis_sync::settings::Settings;

pub(super) async fn look(settings: &Settings) -> Finding {
    let Some(url) = &settings.sync_queue_url else {
        return doubtful(
            "queue",
            "none: a changed plugin must sync all that it affects in one invocation, or set SYNC_QUEUE_URL",
        );
    };
    let attributes = match Queue::new(url).await.attributes().await {
        Ok(attributes) => attributes,
        Err(error) => return bad("queue", format!("{error:#}")),
    };
    let waiting = attributes.get("ApproximateNumberOfMessages");
    let waiting = waiting.map_or("?", String::as_str);
    if attributes.contains_key("RedrivePolicy") {
        good("queue", format!("{waiting} messages wait"))
    } else {
        doubtful(
            "queue",
            format!(
                "{waiting} messages wait; it has no dead-letter queue: what keeps failing is dropped in the end"
            ),
        )
    }
}
