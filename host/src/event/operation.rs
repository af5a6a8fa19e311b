//! Direct calls.

use super::problem::EventError;
use crate::key;
use serde::{Deserialize, Serialize};
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
}

impl SyncRequest {
    /// What a schedule asks for.
    pub(super) fn scheduled() -> Self {
        Self {
            strict: true,
            ..Self::default()
        }
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

/// The source of EventBridge's own events, of which schedules are the only ones that a rule sends here.
pub(super) const SCHEDULE: &str = "aws.events";

/// The full sync that a message asks for, if it does.
pub(super) fn sync_of(body: &str) -> Option<SyncRequest> {
    #[derive(Deserialize)]
    struct Scheduled<'a> {
        #[serde(borrow)]
        source: Cow<'a, str>,
    }
    if let Ok(Operation::Sync(request)) = parse(body) {
        return Some(request);
    }
    let event: Scheduled<'_> = serde_json::from_str(body).ok()?;
    (event.source == SCHEDULE).then(SyncRequest::scheduled)
}

pub(super) fn parse(payload: &str) -> Result<Operation, EventError> {
    serde_json::from_str(payload).map_err(|error| EventError::malformed("operation", &error))
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
        assert_eq!(
            sync_of(&json!({"sync": {"prefix": long}}).to_string()),
            None
        );
    }

    #[test]
    fn a_misspelt_option_is_refused_by_name() {
        let error = parse(r#"{"sync": {"dryrun": true}}"#).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `dryrun`"),
            "{error}"
        );
    }
}
