//! `naxos ctl engines`.

use naxos_proto::control::{Engine, EngineState, EnginesResponse, SetEngineResponse};

use super::table::table;
use super::units::grouped;

/// The engines as a table. The lowest engine, which is the one next to the log, is in the last row.
pub(super) fn engines(answer: &EnginesResponse) -> String {
    let row = |e: &Engine| vec![e.name.clone(), state(e).to_owned(), since(e), e.about.clone()];
    let rows: Vec<_> = answer.engines.iter().rev().map(row).collect();
    table(&["ENGINE", "STATE", "SINCE", "DOES"], &rows)
}

/// A sentence that tells the state of an engine after a command has turned it on or off.
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
