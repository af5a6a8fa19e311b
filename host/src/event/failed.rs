//! What an on-failure destination keeps of an invocation: its payload, in an envelope. Sent again as it is, it may fail
//! again, and comes in one more.
//!
//! The destination may be a queue or another function, which get the envelope as it is; a topic of SNS, which puts it as
//! text into a message; or a bus of EventBridge, which makes it the detail of an event.

use super::problem::EventError;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Envelopes within each other that are opened: each is one that somebody has sent again.
const MOST: usize = 20;

/// What a destination puts around an envelope, at the most: an event of EventBridge in a message of SNS. What is nested
/// deeper is none of these, and may be as deep as a stranger likes.
const AROUND: usize = 3;

/// The member that tells an envelope, as it stands in the text: within a message of SNS its quotes are escaped.
const MEMBER: &str = "requestPayload";

/// A payload, and whether it is what has failed before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Payload<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) has_failed: bool,
}

/// The payload that has failed, or this one if it is none of those: most are none, and are not parsed for that.
pub(super) fn unwrapped(payload: &str) -> Result<Payload<'_>, EventError> {
    let mut unwrapped = Payload {
        text: Cow::Borrowed(payload),
        has_failed: false,
    };
    for _ in 0..MOST {
        if !unwrapped.text.contains(MEMBER) && !is_without_payload(&unwrapped.text) {
            break;
        }
        let inner = match &unwrapped.text {
            Cow::Borrowed(text) => opened(text, AROUND)?,
            Cow::Owned(text) => opened(text, AROUND)?.map(|inner| Cow::Owned(inner.into_owned())),
        };
        match inner {
            Some(text) => {
                unwrapped = Payload {
                    text,
                    has_failed: true,
                }
            }
            None => break,
        }
    }
    Ok(unwrapped)
}

/// Whether it may be an envelope whose payload was left out: it is too large for the destination.
fn is_without_payload(text: &str) -> bool {
    text.contains("\"requestContext\"") && text.contains("\"functionArn\"")
}

/// What is in an envelope, with so much around it; nothing in what is none.
fn opened(text: &str, around: usize) -> Result<Option<Cow<'_, str>>, EventError> {
    let Some(members) = members(text).filter(|_| around > 0) else {
        return Ok(None);
    };
    let context = members.get("requestContext").map(|context| context.get());
    let condition = context.and_then(|context| self::members(context)?.get("condition").copied());
    if let Some(payload) = members.get("requestPayload") {
        return match condition.map(RawValue::get) {
            Some("\"Success\"") => Err(EventError::Succeeded),
            _ => Ok(Some(Cow::Borrowed(payload.get()))),
        };
    }
    if condition.is_some() {
        return Err(EventError::PayloadLeftOut);
    }
    // A message or an event of something else stays what it is.
    let is_envelope = |text: &str| !matches!(opened(text, around - 1), Ok(None));
    if let Some(detail) = members.get("detail").map(|detail| detail.get())
        && is_envelope(detail)
    {
        return Ok(Some(Cow::Borrowed(detail)));
    }
    let message = message_in(&members).or_else(|| {
        let records = members.get("Records")?;
        let records: Vec<&RawValue> = serde_json::from_str(records.get()).ok()?;
        match records.as_slice() {
            [record] => message_in(&self::members(
                self::members(record.get())?.get("Sns")?.get(),
            )?),
            _ => None,
        }
    });
    Ok(message
        .filter(|message| is_envelope(message))
        .map(Cow::Owned))
}

/// The members of an object.
fn members(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

/// The text of a message of SNS.
fn message_in(members: &BTreeMap<String, &RawValue>) -> Option<String> {
    serde_json::from_str(members.get("Message")?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn envelope(payload: &Value) -> Value {
        json!({
            "version": "1.0", "timestamp": "2026-11-24T00:00:00.000Z",
            "requestContext": {"requestId": "i", "functionArn": "arn", "condition": "RetriesExhausted", "approximateInvokeCount": 3},
            "requestPayload": payload, "responseContext": {"statusCode": 200}, "responsePayload": {"errorType": "Failed"},
        })
    }

    /// As AWS documents what a destination gets of an asynchronous invocation, for each kind.
    #[test]
    fn a_failed_payload_is_found_in_whatever_a_destination_makes_of_it() {
        let payload = json!({"sync": {"prefix": "a \"b\" \u{1}"}});
        let queue = envelope(&payload);
        let topic = json!({"Type": "Notification", "MessageId": "m", "Message": queue.to_string()});
        let topic_calls = json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": topic.clone()}]});
        let bus = json!({
            "version": "0", "source": "lambda", "detail-type": "Lambda Function Invocation Result - Failure",
            "detail": queue.clone(),
        });
        let again = envelope(&topic_calls);
        let both = json!({"Type": "Notification", "Message": bus.to_string()});
        for kept in [queue, topic, topic_calls, bus, again, both] {
            let kept = kept.to_string();
            let found = unwrapped(&kept).unwrap();
            assert!(found.has_failed, "{kept}");
            assert_eq!(
                serde_json::from_str::<Value>(&found.text).unwrap(),
                payload,
                "{kept}"
            );
        }
    }

    #[test]
    fn what_is_no_envelope_stays_as_it_is() {
        let event = json!({"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "requestPayload"}}}]});
        let two = json!({"Records": [{"Sns": {"Message": "requestPayload"}}, {"Sns": {"Message": "{}"}}]});
        let odd = json!({"Message": "requestPayload"});
        for payload in [
            event,
            two,
            odd,
            json!("requestPayload"),
            json!(["requestPayload"]),
        ] {
            let payload = payload.to_string();
            let found = unwrapped(&payload).unwrap();
            assert_eq!((&*found.text, found.has_failed), (payload.as_str(), false));
        }
    }

    /// Kills: one call within another for each level, which ends the process.
    #[test]
    fn however_deep_a_payload_is_nested_it_is_none() {
        let deep = format!("{}1{}", "{\"detail\":".repeat(100_000), "}".repeat(100_000));
        let payload = format!("{{\"requestPayload \":1,\"detail\":{deep}}}");
        let found = unwrapped(&payload).unwrap();
        assert_eq!((&*found.text, found.has_failed), (payload.as_str(), false));
    }

    #[test]
    fn an_envelope_without_what_has_failed_says_so() {
        let mut succeeded = envelope(&json!({"sync": {}}));
        succeeded["requestContext"]["condition"] = json!("Success");
        assert_eq!(
            unwrapped(&succeeded.to_string()),
            Err(EventError::Succeeded)
        );
        let mut left_out = envelope(&json!({}));
        left_out.as_object_mut().unwrap().remove("requestPayload");
        assert_eq!(
            unwrapped(&left_out.to_string()),
            Err(EventError::PayloadLeftOut)
        );
    }
}
