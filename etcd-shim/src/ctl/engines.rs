//! `naxos ctl engines`.

use naxos_proto::control::{Engine, EngineState, EnginesResponse, SetEngineResponse};

use super::table::table;
use super::units::grouped;

/// The stack as a table, with the log at the bottom as in the picture of the design.
pub(super) fn engines(answer: &EnginesResponse) -> String {
    let row = |e: &Engine| vec![e.name.clone(), state(e).to_owned(), since(e), e.about.clone()];
    let rows: Vec<_> = answer.engines.iter().rev().map(row).collect();
    table(&["ENGINE", "STATE", "SINCE", "DOES"], &rows)
}

/// Tells what a switch did.
pub(super) fn switched(answer: &SetEngineResponse) -> String {
    match &answer.engine {
        Some(engine) => format!("engine {} is {} since {}", engine.name, state(engine), since(engine)),
        None => "done".to_owned(),
    }
}

fn state(engine: &Engine) -> &'static str {
    match engine.state() {
        EngineState::Unspecified => "unknown",
        EngineState::Off => "off",
        EngineState::On => "on",
        EngineState::Always => "always on",
    }
}

fn since(engine: &Engine) -> String {
    if engine.since == 0 { "the beginning".to_owned() } else { format!("position {}", grouped(engine.since)) }
}
