//! S3 notifications, as S3 writes them and as SNS and EventBridge wrap them.
//!
//! Our own tolerant types: those of `aws_lambda_events` require members that some senders leave
//! out, and it has none for what S3 sends to EventBridge.

use super::change::{Change, Delivery};
use super::origin::{Author, Origin};
use super::problem::EventError;
use crate::key;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Any of the documents that carry S3 changes.
#[derive(Deserialize)]
struct Document<'a> {
    /// Read one by one, so that a bad one takes no other with it.
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<&'a RawValue>>,
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
    /// Of many forms; read only where it is S3's.
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventSource", alias = "EventSource")]
    source: Option<String>,
    #[serde(rename = "eventName")]
    name: Option<String>,
    s3: Option<S3>,
    #[serde(rename = "userIdentity")]
    user: Option<User>,
    #[serde(rename = "requestParameters")]
    request: Option<Parameters>,
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
    #[serde(alias = "eTag")]
    etag: Option<String>,
    #[serde(rename = "versionId", alias = "version-id")]
    version_id: Option<String>,
}

#[derive(Deserialize)]
struct User {
    #[serde(rename = "principalId")]
    principal: Option<String>,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "sourceIPAddress")]
    source_ip: Option<String>,
}

/// What EventBridge tells of a change.
#[derive(Deserialize)]
struct Detail {
    #[serde(flatten)]
    s3: S3,
    requester: Option<String>,
    #[serde(rename = "source-ip-address")]
    source_ip: Option<String>,
}

impl S3 {
    /// The change of the object, whose key is this, by somebody.
    fn delivery(self, key: String, author: Option<Author>) -> Delivery {
        let change = Change {
            bucket: Some(self.bucket.name),
            key,
        };
        let origin = author.zip(self.object.etag).map(|(author, etag)| Origin {
            bucket: change.bucket.clone(),
            key: change.key.clone(),
            etag,
            version_id: self.object.version_id.filter(|version| !version.is_empty()),
            author,
        });
        Delivery::of(change, origin)
    }
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
pub(super) fn parse(text: &str) -> Result<Delivery, EventError> {
    nested(text, MAX_NESTING)
}

fn nested(text: &str, depth: u8) -> Result<Delivery, EventError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(EventError::malformed(
            "notification",
            &"too many envelopes in one another",
        ));
    };
    let document: Document<'_> = serde_json::from_str(text).map_err(|_| EventError::Unknown)?;
    if let Some(records) = document.records {
        let mut all = Delivery::default();
        for record in records {
            match changes_of(record, depth) {
                Ok(delivery) => all.extend(delivery),
                Err(problem) => all.problems.push(problem),
            }
        }
        return Ok(all);
    }
    if document.event.as_deref() == Some("s3:TestEvent") {
        return Ok(Delivery::default());
    }
    if document.source.as_deref() == Some("aws.s3") {
        return bridged(document.detail_type.as_deref(), document.detail);
    }
    match document.message {
        Some(message) => nested(&message, depth),
        None => Err(EventError::Unknown),
    }
}

fn changes_of(record: &RawValue, depth: u8) -> Result<Delivery, EventError> {
    let record: Record = serde_json::from_str(record.get())
        .map_err(|error| EventError::malformed("S3 notification", &error))?;
    match (record.source.as_deref(), record.s3, record.sns) {
        (Some("aws:sns"), _, Some(sns)) => nested(&sns.message, depth),
        (source, Some(s3), _) if source.is_none_or(is_s3) => {
            let name = record.name.unwrap_or_default();
            let name = name.strip_prefix("s3:").unwrap_or(&name);
            if NO_CONTENT_EVENTS
                .iter()
                .any(|start| name.starts_with(start))
            {
                return Ok(Delivery::default());
            }
            let key = key::from_form(&s3.object.key)
                .map_err(|problem| EventError::malformed("S3 notification", &problem))?;
            let principal = record.user.and_then(|user| user.principal);
            let source_ip = record.request.and_then(|request| request.source_ip);
            let author = Author::new(principal.as_deref(), source_ip.as_deref());
            Ok(s3.delivery(key, author))
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
fn bridged(detail_type: Option<&str>, detail: Option<&RawValue>) -> Result<Delivery, EventError> {
    if !CONTENT_DETAIL_TYPES.contains(&detail_type.unwrap_or_default()) {
        return Ok(Delivery::default());
    }
    let malformed =
        |problem: &dyn std::fmt::Display| EventError::malformed("EventBridge event", problem);
    let detail = detail.ok_or_else(|| malformed(&"it has no detail"))?;
    let detail: Detail = serde_json::from_str(detail.get()).map_err(|error| malformed(&error))?;
    let key = key::checked(detail.s3.object.key.clone()).map_err(|problem| malformed(&problem))?;
    let author = Author::new(detail.requester.as_deref(), detail.source_ip.as_deref());
    Ok(detail.s3.delivery(key, author))
}

#[cfg(test)]
mod tests {
    use super::super::Change;
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
        let changes = parse(payload).unwrap().changes;
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
            assert_eq!(
                parse(&s3(name, "a+b")).unwrap().changes,
                [change("a b")],
                "{name}"
            );
        }
        for name in [
            "ObjectTagging:Put",
            "ObjectAcl:Put",
            "ObjectRestore:Completed",
            "LifecycleTransition",
            "IntelligentTiering",
        ] {
            assert_eq!(parse(&s3(name, "k")).unwrap().changes, [], "{name}");
        }
    }

    #[test]
    fn a_test_event_and_an_empty_batch_change_nothing() {
        assert_eq!(
            parse(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"config"}"#)
                .unwrap()
                .changes,
            []
        );
        assert_eq!(parse(r#"{"Records":[]}"#).unwrap().changes, []);
    }

    #[test]
    fn an_eventbridge_key_is_taken_as_it_is() {
        let event = |kind: &str| {
            format!(
                r#"{{"source":"aws.s3","detail-type":"{kind}","detail":{{"bucket":{{"name":"config"}},"object":{{"key":"a+b%20c"}}}}}}"#
            )
        };
        assert_eq!(
            parse(&event("Object Created")).unwrap().changes,
            [change("a+b%20c")]
        );
        assert_eq!(
            parse(&event("Object Deleted")).unwrap().changes,
            [change("a+b%20c")]
        );
        assert_eq!(parse(&event("Object Tags Added")).unwrap().changes, []);
    }

    #[test]
    fn an_sns_envelope_is_opened() {
        let message = serde_json::to_string(&s3("ObjectCreated:Put", "k")).unwrap();
        let direct =
            format!(r#"{{"Records":[{{"EventSource":"aws:sns","Sns":{{"Message":{message}}}}}]}}"#);
        assert_eq!(parse(&direct).unwrap().changes, [change("k")]);
        let in_queue = format!(r#"{{"Type":"Notification","Message":{message}}}"#);
        assert_eq!(parse(&in_queue).unwrap().changes, [change("k")]);
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
    fn a_bad_record_takes_no_other_with_it() {
        let bad = r#"{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{}}}"#;
        let good =
            r#"{"eventSource":"aws:s3","s3":{"bucket":{"name":"config"},"object":{"key":"k"}}}"#;
        let delivery = parse(&format!(r#"{{"Records":[{bad},7,{good}]}}"#)).unwrap();
        assert_eq!(delivery.changes, [change("k")]);
        let problems: Vec<String> = delivery.problems.lines().collect();
        assert!(problems[0].contains("missing field `key`"), "{problems:?}");
        assert!(problems[1].contains("invalid type"), "{problems:?}");
    }
}
