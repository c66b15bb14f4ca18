//! Writes a panic as a line of the log, because readers of the log expect JSON in every line.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use naxos_engines::local_store::catches_panics;

/// From now on, panics are written to the log, except those that the local store turns into an error.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(log));
}

fn log(info: &PanicHookInfo<'_>) {
    if catches_panics() {
        return;
    }
    let text = info.payload_as_str().unwrap_or("a payload that is no text");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    let trace = Backtrace::capture();
    let trace = if trace.status() == BacktraceStatus::Captured { trace.to_string() } else { String::new() };
    tracing::error!(thread, location, text, trace, "panicked: this is a bug, please report it");
}
