//! Writes one event as text.

use std::fmt::Write;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};

use crate::config::LogFormat;

/// tracing has no level `fatal`: an event in which this field is true is shown with that level.
const FATAL: &str = "fatal";

/// Collects the parts of an event: its message, whether it is fatal, and all other fields as JSON with a comma before
/// each of them.
#[derive(Default)]
struct Fields {
    message: String,
    json: String,
    fatal: bool,
}

impl Fields {
    fn push(&mut self, field: &Field, json: &str) {
        let _ = write!(self.json, ",{}:{json}", quoted(field.name()));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.push(field, &quoted(value));
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == FATAL {
            self.fatal = value;
        } else {
            self.push(field, if value { "true" } else { "false" });
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, &value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, &value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON cannot express infinity, so write it as a text.
        self.push(field, &if value.is_finite() { value.to_string() } else { quoted(&value.to_string()) });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, &quoted(&value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Writes `event` as a line, including its line break. `nanos` is the wall time at which it happened.
pub(super) fn write(event: &Event<'_>, nanos: u64, format: LogFormat) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let level = if fields.fatal { "fatal" } else { level(*event.metadata().level()) };
    assemble(level, nanos, &caller(event.metadata()), &fields.message, &fields.json, format)
}

/// The line that tells how many lines were dropped.
pub(super) fn dropped(count: u64, nanos: u64, format: LogFormat) -> String {
    let fields = format!(",\"count\":{count}");
    assemble("warn", nanos, "logging/log.rs:1", "log lines dropped: nobody read them in time", &fields, format)
}

fn assemble(level: &str, nanos: u64, caller: &str, message: &str, fields: &str, format: LogFormat) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(nanos);
    let time = humantime::format_rfc3339_micros(time);
    let bare = fields.strip_prefix(',');
    match (format, bare) {
        (LogFormat::Json, _) => format!(
            "{{\"level\":\"{level}\",\"ts\":\"{time}\",\"caller\":{},\"msg\":{}{fields}}}\n",
            quoted(caller),
            quoted(message)
        ),
        (LogFormat::Console, None) => format!("{time}\t{level}\t{caller}\t{message}\n"),
        (LogFormat::Console, Some(bare)) => format!("{time}\t{level}\t{caller}\t{message}\t{{{bare}}}\n"),
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// Folder, file and line of the code, as zap prints them.
fn caller(metadata: &Metadata<'_>) -> String {
    let file = metadata.file().unwrap_or("unknown");
    let start = file.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    format!("{}:{}", &file[start..], metadata.line().unwrap_or(0))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
