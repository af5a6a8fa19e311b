//! Direct calls.

use super::is_there::IsThere;
use super::problem::EventError;
use crate::key;
use crate::text::clip;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// What an operator asks for.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// The value of a Redis key.
    Read(String),
    /// Bring Redis up to date with the bucket, or the part of it under a prefix.
    Sync(SyncRequest),
    /// Who wrote a Redis key.
    Explain(String),
    /// Release what another bucket owns.
    Forget(ForgetRequest),
    /// What a module would change that is no plugin yet.
    Preview(PreviewRequest),
    /// Counts, and the objects whose last attempt failed.
    Status(StatusRequest),
}

/// Options of a sync.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncRequest {
    /// Only objects whose keys begin so.
    #[serde(deserialize_with = "key::deserialize_part")]
    pub prefix: String,
    /// Report what would change, and write nothing.
    pub dry_run: bool,
    /// Run plugins again also where nothing has changed.
    pub force: bool,
    /// Compare what Redis holds with what was written, and write again what differs.
    pub verify: bool,
    /// Only objects after this key: where an earlier one has stopped.
    #[serde(deserialize_with = "key::deserialize_part")]
    pub after: String,
    /// Fail where anything failed, or the end was not reached: for whoever does not read the answer.
    pub strict: bool,
    /// With a dry run, say by key what would change, as far as the answer has room for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub changes: bool,
    /// Leave nothing to the function's queue: whoever asks goes on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_queue: bool,
    /// The prefix is all that this deployment is for: it counts as a sync of the whole bucket.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub everything: bool,
    /// Of one that goes on: what the answer of the part before has as `chain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
}

/// What a sync that goes on, in a call or message of its own, is told of its parts before.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chain {
    /// Whether it began at the front. That it is of all that this deployment is for, the request says.
    pub whole: bool,
    /// When it began, in milliseconds since the Unix epoch.
    pub began: u64,
    /// When the last part ended.
    pub ended: u64,
    /// How many parts there have been.
    pub parts: u32,
    /// How many objects have failed in them.
    pub failed: u64,
    /// Whether objects were put off whose plugin has failed on them before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub put_off: bool,
    /// Whether it is at those, when all others are done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
    /// Where the search for stray keys goes on, as the ledger has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

impl SyncRequest {
    /// What a schedule asks for.
    pub(super) fn scheduled() -> Self {
        Self {
            strict: true,
            ..Self::default()
        }
    }

    /// Whether it is one of the whole bucket, or a part of one.
    pub fn is_of_everything(&self) -> bool {
        let began_at_front = match &self.chain {
            Some(chain) => chain.whole,
            None => self.after.is_empty(),
        };
        (self.prefix.is_empty() || self.everything) && began_at_front
    }

    /// A place that is not under its prefix is one of another sync: what it would pass over is not told.
    fn checked(self) -> Result<Self, EventError> {
        if self.after.is_empty() || self.after.starts_with(&self.prefix) {
            return Ok(self);
        }
        let problem = format!(
            "`after` is no key under the prefix `{}`: `{}`",
            clip(&self.prefix),
            clip(&self.after)
        );
        Err(EventError::malformed("operation", &problem))
    }

    /// What it is about, wherever it begins: requests of one name are the same work.
    pub fn name(&self) -> String {
        let Self {
            prefix,
            force,
            verify,
            everything,
            ..
        } = self;
        let mut name = serde_json::json!({"prefix": prefix, "force": force, "verify": verify});
        if *everything {
            name["everything"] = true.into();
        }
        name.to_string()
    }
}

/// Which module is to be tried, and on which objects.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PreviewRequest {
    /// Key of the module, under the plugins' prefix; candidates lie under `.candidates/` there.
    #[serde(deserialize_with = "key::deserialize_part")]
    pub module: String,
    /// Only objects whose keys begin so. Where no plugin is named, the prefix of the route whose plugin
    /// the module is to be.
    #[serde(deserialize_with = "key::deserialize_part")]
    pub prefix: String,
    /// Name of the plugin that the module is to be.
    #[serde(deserialize_with = "key::deserialize_optional_part")]
    pub plugin: Option<String>,
    /// Only objects after this key: where an earlier answer has ended.
    #[serde(deserialize_with = "key::deserialize_part")]
    pub after: String,
    /// Only so many objects, those whose keys have the lowest digests: the same ones each time.
    pub sample: Option<usize>,
    /// Tell values, and not only their sizes.
    pub show_values: bool,
    /// Keep the module's machine code for other processes: it is about to become a plugin. Nothing else
    /// is ever written.
    pub keep_compiled: bool,
}

/// Which bucket is to be forgotten.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// Its name; not the own one.
    #[serde(deserialize_with = "key::deserialize_part")]
    pub bucket: String,
    /// Say what there is, and release nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Options of a status report: none so far.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StatusRequest {}

/// Whether an event of EventBridge, with no input of its own, comes from a schedule: of a rule, or of EventBridge
/// Scheduler. What `CloudTrail` tells of calls to these has the same source.
pub(super) fn is_schedule(source: Option<&str>, detail_type: Option<&str>) -> bool {
    let is_of_schedules =
        source.is_some_and(|source| ["aws.events", "aws.scheduler"].contains(&source));
    is_of_schedules && detail_type.is_none_or(|detail_type| detail_type == "Scheduled Event")
}

/// The full sync that a message asks for, or what is wrong with what it asks for; `None` where it asks for none.
pub(super) fn sync_of(body: &str) -> Option<Result<SyncRequest, EventError>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Told<'a> {
        sync: IsThere,
        #[serde(borrow)]
        source: Option<Cow<'a, str>>,
        #[serde(rename = "detail-type", borrow)]
        detail_type: Option<Cow<'a, str>>,
    }
    let told: Told<'_> = serde_json::from_str(body).ok()?;
    if told.sync == IsThere(false) {
        let (source, detail_type) = (told.source.as_deref(), told.detail_type.as_deref());
        return is_schedule(source, detail_type).then(|| Ok(SyncRequest::scheduled()));
    }
    match parse(body) {
        Ok(Operation::Sync(request)) => Some(Ok(request)),
        Ok(_) => None,
        Err(problem) => Some(Err(problem)),
    }
}

pub(super) fn parse(payload: &str) -> Result<Operation, EventError> {
    let malformed = |problem: &dyn fmt::Display| EventError::malformed("operation", problem);
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(payload).map_err(|error| malformed(&error))?;
    // A list would be read as the options in their order.
    let is_told_right = |name: &str, told: &RawValue| match name {
        "read" | "explain" => told.get().starts_with('"'),
        _ => told.get().starts_with('{'),
    };
    if let Some((name, _)) = members
        .iter()
        .find(|(name, told)| !is_told_right(name, told))
    {
        let told = if ["read", "explain"].contains(&name.as_str()) {
            "the name of a Redis key"
        } else {
            "an object"
        };
        return Err(malformed(&format!("`{}` is not {told}", clip(name))));
    }
    if members.len() > 1 {
        let names: Vec<String> = members
            .keys()
            .map(|name| format!("`{}`", clip(name)))
            .collect();
        let several = format!("it asks for several things: {}", names.join(", "));
        return Err(malformed(&several));
    }
    let operation: Operation = serde_json::from_str(payload).map_err(|error| malformed(&error))?;
    Ok(match operation {
        Operation::Sync(request) => Operation::Sync(request.checked()?),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_operation_is_read() {
        assert_eq!(
            parse(r#"{"read": "k"}"#).unwrap(),
            Operation::Read("k".into())
        );
        assert_eq!(
            parse(r#"{"explain": "k"}"#).unwrap(),
            Operation::Explain("k".into())
        );
        let preview = PreviewRequest {
            module: "plugins/.candidates/a.wasm".into(),
            prefix: "flags/".into(),
            ..PreviewRequest::default()
        };
        assert_eq!(
            parse(r#"{"preview": {"module": "plugins/.candidates/a.wasm", "prefix": "flags/"}}"#)
                .unwrap(),
            Operation::Preview(preview)
        );
        assert_eq!(
            parse(r#"{"status": {}}"#).unwrap(),
            Operation::Status(StatusRequest {})
        );
        let sync = SyncRequest {
            prefix: "flags/".into(),
            dry_run: true,
            ..SyncRequest::default()
        };
        assert_eq!(
            parse(r#"{"sync": {"prefix": "flags/", "dry_run": true}}"#).unwrap(),
            Operation::Sync(sync)
        );
    }

    #[test]
    fn what_is_named_is_no_longer_than_a_key() {
        let long = "x".repeat(1025);
        for operation in [
            json!({"sync": {"prefix": long}}),
            json!({"sync": {"after": long}}),
            json!({"preview": {"module": long}}),
            json!({"preview": {"module": "m", "prefix": long}}),
            json!({"preview": {"module": "m", "after": long}}),
            json!({"preview": {"module": "m", "plugin": long}}),
            json!({"forget": {"bucket": long}}),
        ] {
            let error = parse(&operation.to_string()).unwrap_err().to_string();
            assert!(
                error.contains("has 1025 bytes, more than the 1024"),
                "{error}"
            );
        }
        let message = json!({"sync": {"prefix": long}}).to_string();
        assert!(sync_of(&message).unwrap().is_err());
    }

    /// In a call as in a message of a queue.
    #[test]
    fn a_misspelt_option_is_refused_by_name() {
        let misspelt = r#"{"sync": {"dryrun": true}}"#;
        for error in [
            parse(misspelt).unwrap_err(),
            sync_of(misspelt).unwrap().unwrap_err(),
        ] {
            assert!(
                error.to_string().contains("unknown field `dryrun`"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_not_asked_for_in_one_object_is_refused_and_named() {
        for (payload, expected) in [
            (r#"{"sync": {}, "x": 1}"#, "`x` is not an object"),
            (
                r#"{"sync": {}, "read": "k"}"#,
                "several things: `read`, `sync`",
            ),
            (r#"{"sync": null}"#, "`sync` is not an object"),
            (r#"{"sync": []}"#, "`sync` is not an object"),
            (r#"{"forget": ["old"]}"#, "`forget` is not an object"),
            (r#"{"status": []}"#, "`status` is not an object"),
            (r#"{"read": {}}"#, "`read` is not the name of a Redis key"),
            (r#"{"sync": {"next": "k"}}"#, "`next`"),
        ] {
            let error = parse(payload).unwrap_err().to_string();
            assert!(error.contains(expected), "{payload}: {error}");
        }
    }

    #[test]
    fn what_cloudtrail_tells_of_a_schedule_is_none() {
        let told = |detail_type| is_schedule(Some("aws.events"), detail_type);
        assert!(told(Some("Scheduled Event")) && told(None));
        assert!(!told(Some("AWS API Call via CloudTrail")) && !is_schedule(None, None));
    }

    #[test]
    fn a_place_of_another_prefix_is_refused() {
        let sync = |prefix: &str, after: &str| {
            parse(&json!({"sync": {"prefix": prefix, "after": after}}).to_string())
        };
        for (prefix, after) in [("", "a"), ("b/", ""), ("b/", "b/"), ("b/", "b/c")] {
            assert!(sync(prefix, after).is_ok(), "{prefix} {after}");
        }
        for (prefix, after) in [("b/", "a/"), ("b/", "z"), ("b/", "b")] {
            let error = sync(prefix, after).unwrap_err().to_string();
            assert!(error.contains("no key under the prefix `b/`"), "{error}");
        }
    }

    /// What is counted as a completed sync.
    #[test]
    fn a_part_of_the_bucket_is_not_everything() {
        let request = |prefix: &str, after: &str, whole: Option<bool>| SyncRequest {
            prefix: prefix.into(),
            after: after.into(),
            chain: whole.map(|whole| Chain {
                whole,
                ..Chain::default()
            }),
            ..SyncRequest::default()
        };
        assert!(request("", "", None).is_of_everything());
        assert!(request("", "a", Some(true)).is_of_everything());
        assert!(!request("", "a", None).is_of_everything());
        assert!(!request("", "", Some(false)).is_of_everything());
        assert!(!request("a", "", None).is_of_everything());
        assert!(!request("a", "", Some(true)).is_of_everything());
        let everything = SyncRequest {
            everything: true,
            ..request("a", "", None)
        };
        assert!(everything.is_of_everything());
    }
}
