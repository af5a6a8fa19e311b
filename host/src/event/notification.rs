//! S3 notifications, as S3 writes them and as SNS and EventBridge wrap them.
//!
//! Our own tolerant types: those of `aws_lambda_events` require members that some senders leave
//! out, and it has none for what S3 sends to EventBridge.

use super::{Change, EventError, key};
use serde::Deserialize;

/// Any of the documents that carry S3 changes.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    /// `s3:TestEvent`, sent once when a notification is configured.
    #[serde(rename = "Event")]
    event: Option<String>,
    /// The text of an SNS envelope, as SQS receives it.
    #[serde(rename = "Message")]
    message: Option<String>,
    /// EventBridge's `aws.s3`.
    source: Option<String>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    detail: Option<S3>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventSource", alias = "EventSource")]
    source: Option<String>,
    #[serde(rename = "eventName")]
    name: Option<String>,
    s3: Option<S3>,
    #[serde(rename = "Sns")]
    sns: Option<Sns>,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

#[derive(Deserialize)]
struct Sns {
    #[serde(rename = "Message")]
    message: String,
}

/// EventBridge's names of what changes an object's content.
const CONTENT_DETAIL_TYPES: [&str; 2] = ["Object Created", "Object Deleted"];

/// Notifications about an object whose content stays what it was, by the start of their name.
const NO_CONTENT_EVENTS: [&str; 6] = [
    "ObjectTagging:",
    "ObjectAcl:",
    "ObjectRestore:",
    "LifecycleTransition",
    "IntelligentTiering",
    "Replication:",
];

/// An envelope within an envelope within an envelope is the most that AWS makes (SNS in SQS).
const MAX_NESTING: u8 = 3;

/// The changes that a notification names.
pub(super) fn parse(text: &str) -> Result<Vec<Change>, EventError> {
    nested(text, MAX_NESTING)
}

fn nested(text: &str, depth: u8) -> Result<Vec<Change>, EventError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(EventError::malformed(
            "notification",
            &"too many envelopes in one another",
        ));
    };
    let document: Document = serde_json::from_str(text).map_err(|error| refuse(text, &error))?;
    if let Some(records) = document.records {
        let changes = records.into_iter().map(|record| changes_of(record, depth));
        return Ok(changes.collect::<Result<Vec<_>, _>>()?.concat());
    }
    if document.event.as_deref() == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    if document.source.as_deref() == Some("aws.s3") {
        return bridged(document.detail_type.as_deref(), document.detail);
    }
    match document.message {
        Some(message) => nested(&message, depth),
        None => Err(EventError::Unknown),
    }
}

/// A payload that names itself is malformed; any other is unknown.
fn refuse(text: &str, error: &serde_json::Error) -> EventError {
    if error.is_data()
        && (text.contains("aws:s3") || text.contains("aws.s3") || text.contains("aws:sns"))
    {
        EventError::malformed("S3 notification", &error)
    } else {
        EventError::Unknown
    }
}

fn changes_of(record: Record, depth: u8) -> Result<Vec<Change>, EventError> {
    match (record.source.as_deref(), record.s3, record.sns) {
        (Some("aws:sns"), _, Some(sns)) => nested(&sns.message, depth),
        (source, Some(s3), _) if source.is_none_or(is_s3) => {
            let name = record.name.unwrap_or_default();
            let name = name.strip_prefix("s3:").unwrap_or(&name);
            if NO_CONTENT_EVENTS
                .iter()
                .any(|start| name.starts_with(start))
            {
                return Ok(Vec::new());
            }
            let key = key::from_form(&s3.object.key)
                .map_err(|problem| EventError::malformed("S3 notification", &problem))?;
            Ok(vec![Change {
                bucket: Some(s3.bucket.name),
                key,
            }])
        }
        (source, ..) => Err(EventError::malformed(
            "notification",
            &format!(
                "a record of source `{}` without an S3 object",
                source.unwrap_or("(none)")
            ),
        )),
    }
}

/// AWS says `aws:s3`; servers that speak its protocol say `minio:s3` and the like.
fn is_s3(source: &str) -> bool {
    source.ends_with(":s3")
}

/// EventBridge sends keys as they are.
fn bridged(detail_type: Option<&str>, detail: Option<S3>) -> Result<Vec<Change>, EventError> {
    if !CONTENT_DETAIL_TYPES.contains(&detail_type.unwrap_or_default()) {
        return Ok(Vec::new());
    }
    let s3 =
        detail.ok_or_else(|| EventError::malformed("EventBridge event", &"it has no detail"))?;
    if s3.object.key.is_empty() {
        return Err(EventError::malformed(
            "EventBridge event",
            &"the key is empty",
        ));
    }
    Ok(vec![Change {
        bucket: Some(s3.bucket.name),
        key: s3.object.key,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str) -> Change {
        Change {
            bucket: Some("config".into()),
            key: key.into(),
        }
    }

    fn s3(name: &str, key: &str) -> String {
        format!(
            r#"{{"Records":[{{"eventSource":"aws:s3","eventName":"{name}","s3":{{"bucket":{{"name":"config"}},"object":{{"key":"{key}"}}}}}}]}}"#
        )
    }

    #[test]
    fn the_real_notification_is_read() {
        let payload =
            include_str!("../../../tests/fixtures/nhs/s3-notification-single-filename.json");
        let changes = parse(payload).unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!(
            changes[0].bucket.as_deref(),
            Some("imms-internal-dev-supplier-config")
        );
        assert_eq!(changes[0].key, "disease_vaccine.json");
    }

    #[test]
    fn created_removed_and_expired_are_changes_and_tags_are_none() {
        for name in [
            "ObjectCreated:Put",
            "s3:ObjectCreated:Put",
            "ObjectRemoved:Delete",
            "LifecycleExpiration:DeleteMarkerCreated",
        ] {
            assert_eq!(parse(&s3(name, "a+b")).unwrap(), [change("a b")], "{name}");
        }
        for name in [
            "ObjectTagging:Put",
            "ObjectAcl:Put",
            "ObjectRestore:Completed",
            "LifecycleTransition",
            "IntelligentTiering",
        ] {
            assert_eq!(parse(&s3(name, "k")).unwrap(), [], "{name}");
        }
    }

    #[test]
    fn a_test_event_and_an_empty_batch_change_nothing() {
        assert_eq!(
            parse(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"config"}"#).unwrap(),
            []
        );
        assert_eq!(parse(r#"{"Records":[]}"#).unwrap(), []);
    }

    #[test]
    fn an_eventbridge_key_is_taken_as_it_is() {
        let event = |kind: &str| {
            format!(
                r#"{{"source":"aws.s3","detail-type":"{kind}","detail":{{"bucket":{{"name":"config"}},"object":{{"key":"a+b%20c"}}}}}}"#
            )
        };
        assert_eq!(
            parse(&event("Object Created")).unwrap(),
            [change("a+b%20c")]
        );
        assert_eq!(
            parse(&event("Object Deleted")).unwrap(),
            [change("a+b%20c")]
        );
        assert_eq!(parse(&event("Object Tags Added")).unwrap(), []);
    }

    #[test]
    fn an_sns_envelope_is_opened() {
        let message = serde_json::to_string(&s3("ObjectCreated:Put", "k")).unwrap();
        let direct =
            format!(r#"{{"Records":[{{"EventSource":"aws:sns","Sns":{{"Message":{message}}}}}]}}"#);
        assert_eq!(parse(&direct).unwrap(), [change("k")]);
        let in_queue = format!(r#"{{"Type":"Notification","Message":{message}}}"#);
        assert_eq!(parse(&in_queue).unwrap(), [change("k")]);
    }

    #[test]
    fn envelopes_without_end_are_refused() {
        let mut text = s3("ObjectCreated:Put", "k");
        for _ in 0..5 {
            text = format!(r#"{{"Message":{}}}"#, serde_json::to_string(&text).unwrap());
        }
        assert!(
            parse(&text)
                .unwrap_err()
                .to_string()
                .contains("too many envelopes")
        );
    }

    #[test]
    fn a_record_without_a_key_is_malformed() {
        let error = parse(
            r#"{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{}}}]}"#,
        )
        .unwrap_err();
        assert!(error.to_string().contains("missing field `key`"), "{error}");
    }
}
