//! A line in CloudWatch's embedded metric format, written without anything in between.

use super::list::{Metric, Unit};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The value of a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member<'a> {
    /// A dimension, or what is only for readers.
    Text(&'a str),
    /// A metric's value.
    Number(f64),
    /// A count.
    Whole(u64),
    /// Values of a metric, a hundred at the most.
    Values(&'a [f64]),
}

/// Metrics that have the same dimensions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Directive<'a> {
    pub(super) namespace: &'a str,
    /// Each set gives each metric a value of its own.
    pub(super) dimensions: &'a [&'a [&'a str]],
    pub(super) metrics: Vec<Definition>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Definition {
    name: &'static str,
    unit: Unit,
}

impl From<Metric> for Definition {
    fn from(metric: Metric) -> Self {
        Self {
            name: metric.name,
            unit: metric.unit,
        }
    }
}

/// One line.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// Milliseconds since the Unix epoch.
    pub(super) timestamp: u64,
    pub(super) directives: Vec<Directive<'a>>,
    /// Level, dimensions, values.
    pub(super) members: Vec<(&'a str, Member<'a>)>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("_aws", &Aws(self))?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

struct Aws<'a>(&'a Line<'a>);

impl Serialize for Aws<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("Timestamp", &self.0.timestamp)?;
        map.serialize_entry("CloudWatchMetrics", &self.0.directives)?;
        map.end()
    }
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Whole(number) => serializer.serialize_u64(*number),
            Self::Values([value]) => serializer.serialize_f64(*value),
            Self::Values(values) => values.serialize(serializer),
        }
    }
}
