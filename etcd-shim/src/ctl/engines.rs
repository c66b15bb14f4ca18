//! `naxos ctl engines`.

use naxos_proto::control::{Engine, EngineState, EngineTimes, EnginesResponse, SetEngineResponse};

use super::table::table;
use super::units::grouped;

/// The engines as a table. The lowest engine, which is the one next to the log, is in the last row.
pub(super) fn engines(answer: &EnginesResponse) -> String {
    let engines = || answer.engines.iter().rev();
    if engines().all(|engine| engine.times.is_none()) {
        let row = |e: &Engine| vec![e.name.clone(), state(e).to_owned(), since(e), e.about.clone()];
        return table(&["ENGINE", "STATE", "SINCE", "DOES"], &engines().map(row).collect::<Vec<_>>());
    }
    let row = |e: &Engine| {
        let EngineTimes { proposals, propose_p50_us, propose_p99_us, applied, apply_p50_us, apply_p99_us, in_flight } =
            e.times.unwrap_or_default();
        let propose = measured(proposals, propose_p50_us, propose_p99_us);
        let apply = measured(applied, apply_p50_us, apply_p99_us);
        vec![e.name.clone(), state(e).to_owned(), since(e), propose, apply, grouped(in_flight), e.about.clone()]
    };
    let head = ["ENGINE", "STATE", "SINCE", "PROPOSE P50/P99", "APPLY P50/P99", "ON THE WAY", "DOES"];
    table(&head, &engines().map(row).collect::<Vec<_>>())
}

/// Two quantiles of `count` measurements.
fn measured(count: u64, p50_us: u64, p99_us: u64) -> String {
    if count == 0 { "-".to_owned() } else { format!("{} / {} us", grouped(p50_us), grouped(p99_us)) }
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
