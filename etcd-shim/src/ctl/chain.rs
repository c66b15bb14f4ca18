//! `naxos ctl chain` and `naxos ctl reconfigure`.

use naxos_proto::control::{ChainResponse, ReconfigureResponse, Segment};

use super::table::table;
use super::units::{counted, grouped, micros};

/// The chain as a table, oldest segment first.
pub(super) fn chain(answer: &ChainResponse) -> String {
    let head = format!(
        "log {}: {}, chain version {}, positions {} to {}",
        answer.log_id,
        counted(answer.segments.len(), "segment"),
        answer.version,
        grouped(answer.trim_point),
        grouped(answer.tail)
    );
    let columns = ["LOGLET", "KIND", "START", "END", "ENTRIES", "STATE", "QUORUM", "UNITS", "SEQUENCER"];
    let rows: Vec<_> = answer.segments.iter().map(|s| row(s, answer.tail)).collect();
    format!("{head}\n\n{}", table(&columns, &rows))
}

fn row(segment: &Segment, tail: u64) -> Vec<String> {
    let end = segment.end.unwrap_or(tail);
    let units: Vec<String> = segment.units.iter().map(ToString::to_string).collect();
    vec![
        segment.loglet_id.to_string(),
        segment.kind.clone(),
        grouped(segment.start),
        segment.end.map_or_else(|| "open".to_owned(), grouped),
        grouped(end.saturating_sub(segment.start)),
        if segment.end.is_some() { "sealed" } else { "active" }.to_owned(),
        format!("{} of {}", segment.write_quorum, segment.units.len()),
        units.join(","),
        format!("node {} boot {}", segment.sequencer_node, segment.sequencer_boot),
    ]
}

/// A sentence that tells what a reconfiguration did.
pub(super) fn reconfigured(answer: &ReconfigureResponse) -> String {
    let name = |segment: &Option<Segment>| {
        segment.as_ref().map_or_else(|| "none".to_owned(), |s| format!("loglet {} ({})", s.loglet_id, s.kind))
    };
    let at = answer.active.as_ref().map_or(0, |s| s.start);
    format!(
        "sealed {} at position {}, continued on {}; appends waited {}, chain version {}",
        name(&answer.sealed),
        grouped(at),
        name(&answer.active),
        micros(answer.pause_us),
        answer.version
    )
}
