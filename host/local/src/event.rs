//! S3 notifications as AWS sends them.
//!
//! ```
//! # use redis_sync_local::event;
//! let event = event::created("config", "a+b/cé.json");
//! assert_eq!(event["Records"][0]["s3"]["object"]["key"], "a%2Bb/c%C3%A9.json");
//! ```

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use s3s::dto::{Timestamp, TimestampFormat};
use serde_json::{Value, json};

use crate::encoding::form_encode;

/// Distinguishes the events of one second.
static EVENTS: AtomicU64 = AtomicU64::new(1);

/// The notification of an upload of `key`.
///
/// Size and etag are those of an empty object: they do not tell what a reader will find in the
/// bucket, as they do not when an event arrives late.
#[must_use]
pub fn created(bucket: &str, key: &str) -> Value {
    let object = json!({
        "key": form_encode(key),
        "size": 0,
        "eTag": "d41d8cd98f00b204e9800998ecf8427e",
        "sequencer": sequencer(),
    });
    notification("ObjectCreated:Put", bucket, &object)
}

/// The notification of a deletion of `key`: it has neither size nor etag.
#[must_use]
pub fn removed(bucket: &str, key: &str) -> Value {
    let object = json!({ "key": form_encode(key), "sequencer": sequencer() });
    notification("ObjectRemoved:Delete", bucket, &object)
}

/// One notification with the records of all `notifications`, in their order.
#[must_use]
pub fn batch(notifications: impl IntoIterator<Item = Value>) -> Value {
    let records: Vec<Value> = notifications
        .into_iter()
        .filter_map(|mut notification| match notification["Records"].take() {
            Value::Array(records) => Some(records),
            _ => None,
        })
        .flatten()
        .collect();
    json!({ "Records": records })
}

fn notification(name: &str, bucket: &str, object: &Value) -> Value {
    json!({
        "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": crate::REGION,
            "eventTime": timestamp(SystemTime::now()),
            "eventName": name,
            "userIdentity": { "principalId": "AWS:AROALOCALLOCALLOCAL00:local" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": {
                "x-amz-request-id": "LOCAL00000000000",
                "x-amz-id-2": "bG9jYWwgZW52aXJvbm1lbnQ=",
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "local",
                "bucket": {
                    "name": bucket,
                    "ownerIdentity": { "principalId": "A0LOCAL0000000" },
                    "arn": format!("arn:aws:s3:::{bucket}"),
                },
                "object": object,
            },
        }]
    })
}

/// 18 upper case hexadecimal digits that grow with every event, as in the notifications seen of S3.
fn sequencer() -> String {
    let event = EVENTS.fetch_add(1, Ordering::Relaxed) & 0xFFFF_FFFF;
    format!("00{:08X}{event:08X}", since_epoch().as_secs())
}

/// RFC 3339 with milliseconds.
fn timestamp(time: SystemTime) -> String {
    let mut text = Vec::new();
    match Timestamp::from(time).format(TimestampFormat::DateTime, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => String::from("1970-01-01T00:00:00.000Z"),
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_has_neither_size_nor_etag() {
        let event = removed("config", "a b");
        let object = &event["Records"][0]["s3"]["object"];
        assert_eq!(object["key"], "a+b");
        assert!(object.get("size").is_none() && object.get("eTag").is_none());
        assert_eq!(event["Records"][0]["eventName"], "ObjectRemoved:Delete");
    }

    #[test]
    fn sequencers_grow() {
        let (first, second) = (sequencer(), sequencer());
        assert_eq!(first.len(), 18);
        assert!(first < second, "{first} {second}");
    }

    #[test]
    fn a_batch_keeps_the_order_of_its_records() {
        let event = batch([created("config", "a"), removed("config", "b")]);
        let keys: Vec<_> = event["Records"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|record| record["s3"]["object"]["key"].clone())
            .collect();
        assert_eq!(keys, ["a", "b"]);
    }

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_millis(1_749_662_626_990);
        assert_eq!(timestamp(time), "2025-06-11T17:23:46.990Z");
    }
}
