//! Direct calls.

use super::problem::EventError;
use serde::Deserialize;

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
    /// Counts, and the objects whose last attempt failed.
    Status(StatusRequest),
}

/// Options of a sync.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct SyncRequest {
    /// Only objects whose keys begin so.
    pub prefix: String,
    /// Report what would change, and write nothing.
    pub dry_run: bool,
    /// Run plugins again also where nothing has changed.
    pub force: bool,
}

/// Options of a status report: none so far.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StatusRequest {}

pub(super) fn parse(payload: &str) -> Result<Operation, EventError> {
    serde_json::from_str(payload).map_err(|error| EventError::malformed("operation", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(
            parse(r#"{"status": {}}"#).unwrap(),
            Operation::Status(StatusRequest {})
        );
        let sync = SyncRequest {
            prefix: "flags/".into(),
            dry_run: true,
            force: false,
        };
        assert_eq!(
            parse(r#"{"sync": {"prefix": "flags/", "dry_run": true}}"#).unwrap(),
            Operation::Sync(sync)
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
