//! S3 Batch Operations, invocation schema 1.0 and 2.0.

use super::change::Change;
use super::problem::EventError;
use crate::key;
use serde::Deserialize;

/// A job's invocation.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchJob {
    /// Echoed in the answer.
    pub schema_version: String,
    /// Echoed in the answer.
    pub invocation_id: String,
    /// The tasks: one, as S3 calls today.
    pub tasks: Vec<BatchTask>,
}

/// One object of a job.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchTask {
    /// Echoed in the answer.
    pub id: String,
    /// The object, or why it cannot be read.
    pub change: Result<Change, String>,
    /// What its key may be as well: where a manifest was written with `+` for a space, S3 passes
    /// that on. Of use only where there is no object of the other key.
    pub with_spaces: Option<Change>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    invocation_schema_version: String,
    invocation_id: String,
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_id: String,
    s3_key: String,
    /// Schema 1.0: `arn:aws:s3:::bucket`.
    s3_bucket_arn: Option<String>,
    /// Schema 2.0: the bare name.
    s3_bucket: Option<String>,
}

pub(super) fn parse(payload: &str) -> Result<BatchJob, EventError> {
    let job: Job = serde_json::from_str(payload)
        .map_err(|error| EventError::malformed("S3 Batch Operations job", &error))?;
    Ok(BatchJob {
        schema_version: job.invocation_schema_version,
        invocation_id: job.invocation_id,
        tasks: job.tasks.into_iter().map(task).collect(),
    })
}

fn task(task: Task) -> BatchTask {
    let bucket = task
        .s3_bucket
        .or_else(|| task.s3_bucket_arn?.rsplit(":::").next().map(str::to_owned));
    let change = |key| Change {
        bucket: bucket.clone(),
        key,
    };
    BatchTask {
        id: task.task_id,
        with_spaces: task
            .s3_key
            .contains('+')
            .then(|| key::from_form(&task.s3_key).ok().map(change))
            .flatten(),
        change: key::from_percent(&task.s3_key).map(change),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemas_name_the_bucket() {
        let job = |version: &str, member: &str| {
            format!(
                r#"{{"invocationSchemaVersion":"{version}","invocationId":"i","job":{{"id":"j"}},"tasks":[{{"taskId":"t","s3Key":"a+b%20c","s3VersionId":null,{member}}}]}}"#
            )
        };
        let change = Change {
            bucket: Some("config".into()),
            key: "a+b c".into(),
        };
        let first = parse(&job("1.0", r#""s3BucketArn":"arn:aws:s3:::config""#)).unwrap();
        assert_eq!(first.tasks[0].change, Ok(change.clone()));
        let spaced = first.tasks[0].with_spaces.as_ref().unwrap();
        assert_eq!(spaced.key, "a b c");
        let second = parse(&job("2.0", r#""s3Bucket":"config""#)).unwrap();
        assert_eq!(
            (second.schema_version.as_str(), &second.tasks[0].change),
            ("2.0", &Ok(change))
        );
    }
}
