//! One line of the log.

use super::filter::is_written;
use crate::invocation::{self, Invocation};
use serde::ser::{SerializeMap, Serializer as _};
use serde_json::Serializer;
use std::fmt::Debug;
use std::io::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;

/// What the lines are said to be of.
const SERVICE: &str = "redis-sync";

/// Writes a line for each event.
pub(super) struct JsonLines<O> {
    function: String,
    /// Where they go.
    output: O,
}

impl<W: Write, O: Fn() -> W> JsonLines<O> {
    pub(super) fn new(output: O) -> Self {
        Self {
            function: std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default(),
            output,
        }
    }
}

impl<S, W, O> Layer<S> for JsonLines<O>
where
    S: Subscriber,
    W: Write,
    O: Fn() -> W + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !is_written(event.metadata()) {
            return;
        }
        if let Ok(mut line) = line(event, &self.function) {
            line.push(b'\n');
            // In one piece, so that lines of several threads stay apart. Whoever closed it wants none.
            let _ = (self.output)().write_all(&line);
        }
    }
}

fn line(event: &Event<'_>, function: &str) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(512);
    let mut serializer = Serializer::new(&mut line);
    let mut map = serializer.serialize_map(None)?;
    let mut timestamp = String::with_capacity(32);
    // A clock that cannot be read is no reason to say nothing.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    map.serialize_entry("timestamp", &timestamp)?;
    map.serialize_entry("level", event.metadata().level().as_str())?;
    let mut fields = Fields {
        map,
        result: Ok(()),
    };
    event.record(&mut fields);
    let Fields { mut map, result } = fields;
    result?;
    map.serialize_entry("target", event.metadata().target())?;
    map.serialize_entry("service", SERVICE)?;
    map.serialize_entry("function_name", function)?;
    invocation::with(|invocation| of_invocation(&mut map, invocation)).transpose()?;
    map.end()?;
    Ok(line)
}

fn of_invocation<M: SerializeMap>(map: &mut M, invocation: &Invocation) -> Result<(), M::Error> {
    // There is none while the process starts.
    if !invocation.request_id.is_empty() {
        map.serialize_entry("function_request_id", &invocation.request_id)?;
    }
    if let Some(trace_id) = &invocation.trace_id {
        map.serialize_entry("xray_trace_id", trace_id)?;
    }
    map.serialize_entry("cold_start", &invocation.is_cold_start)
}

/// Writes the fields of an event.
struct Fields<M: SerializeMap> {
    map: M,
    /// Whether all could be written so far.
    result: Result<(), M::Error>,
}

impl<M: SerializeMap> Fields<M> {
    fn entry<T: serde::Serialize + ?Sized>(&mut self, field: &Field, value: &T) {
        if self.result.is_ok() {
            self.result = self.map.serialize_entry(field.name(), value);
        }
    }
}

impl<M: SerializeMap> Visit for Fields<M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.entry(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.entry(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.entry(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.entry(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.entry(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.entry(field, &format_args!("{value:?}"));
    }
}
