//! Direct calls.

use super::problem::EventError;
use crate::key;
use crate::text::clip;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

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
    /// Of one that goes on with a sync of the whole bucket: how many objects have failed so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_before: Option<u64>,
}

impl SyncRequest {
    /// What a schedule asks for.
    pub(super) fn scheduled() -> Self {
        Self {
            strict: true,
            ..Self::default()
        }
    }

    /// Whether it is one of the whole bucket, or the rest of one.
    pub fn is_of_everything(&self) -> bool {
        let begins = self.after.is_empty() || self.failed_before.is_some();
        (self.prefix.is_empty() || self.everything) && begins
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
            ..
        } = self;
        serde_json::json!({"prefix": prefix, "force": force, "verify": verify}).to_string()
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
    /// Only so many objects, chosen by chance: always the same ones of the same objects.
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
    pub bucket: String,
    /// Say what there is, and release nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Options of a status report: none so far.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StatusRequest {}

/// Whether an event of EventBridge with that source, and no input of its own, comes from a schedule: of a rule, or of
/// EventBridge Scheduler.
pub(super) fn is_schedule(source: &str) -> bool {
    ["aws.events", "aws.scheduler"].contains(&source)
}

/// The full sync that a message asks for, or what is wrong with what it asks for; `None` where it asks for none.
pub(super) fn sync_of(body: &str) -> Option<Result<SyncRequest, EventError>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Told<'a> {
        #[serde(deserialize_with = "is_there")]
        sync: bool,
        #[serde(borrow)]
        source: Cow<'a, str>,
    }
    let told: Told<'_> = serde_json::from_str(body).ok()?;
    if !told.sync {
        return is_schedule(&told.source).then(|| Ok(SyncRequest::scheduled()));
    }
    match parse(body) {
        Ok(Operation::Sync(request)) => Some(Ok(request)),
        Ok(_) => None,
        Err(problem) => Some(Err(problem)),
    }
}

/// Whatever a member has, it is there.
fn is_there<'de, D: Deserializer<'de>>(member: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(member).map(|_| true)
}

pub(super) fn parse(payload: &str) -> Result<Operation, EventError> {
    let operation: Operation = serde_json::from_str(payload)
        .map_err(|error| EventError::malformed("operation", &error))?;
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
        let request = |prefix: &str, after: &str, failed_before| SyncRequest {
            prefix: prefix.into(),
            after: after.into(),
            failed_before,
            ..SyncRequest::default()
        };
        assert!(request("", "", None).is_of_everything());
        assert!(request("", "a", Some(0)).is_of_everything());
        assert!(!request("", "a", None).is_of_everything());
        assert!(!request("a", "", Some(0)).is_of_everything());
        let everything = SyncRequest {
            everything: true,
            ..request("a", "", None)
        };
        assert!(everything.is_of_everything());
    }
}
