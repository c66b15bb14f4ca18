//! Runs a group's rows in interleaved rounds and takes medians.

use anyhow::{Context, Result};
use serde::Serialize;

use super::prepare::{self, Prepared};
use super::rows::{Group, Row};
use super::settings::Settings;
use crate::load::client::Task;
use crate::load::generator::Plan;
use crate::load::keys::{Keys, Values};
use crate::load::measure::{Measured, measure};
use crate::servers::cluster::Ground;
use crate::servers::{Candidate, Cluster, Programs};

/// The results of all servers for one row.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RowResult {
    pub row: Row,
    pub servers: Vec<ServerResult>,
}

/// The results of one server.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ServerResult {
    pub candidate: Candidate,
    pub median: Median,
    pub rounds: Vec<Measured>,
}

/// Medians over the rounds, taken for each figure separately. Latencies and CPU time per operation are in
/// microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Median {
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub cpu_us: f64,
    /// Number of cores that other programs on the machine kept busy. A high number makes the other figures unreliable.
    pub other_cores: f64,
    /// Number of failed operations in all rounds.
    pub errors: u64,
}

impl RowResult {
    /// The medians of `candidate`, if it ran the row.
    pub(super) fn median_of(&self, candidate: Candidate) -> Option<&Median> {
        self.servers.iter().find(|server| server.candidate == candidate).map(|server| &server.median)
    }
}

/// Starts the servers that can run the group and runs its rows on them.
pub(super) fn run(programs: &Programs, settings: &Settings, group: &Group) -> Result<Vec<RowResult>> {
    let keys = Keys { prefix: "compare/".to_owned(), count: group.keys };
    let values = Values::new(settings.value_bytes);
    let mut servers = Vec::new();
    for &candidate in &settings.servers {
        if group.rows.iter().any(|row| row.runs_on(candidate)) {
            eprintln!("{}: starting {candidate}", group.rows[0].name);
            let server = Cluster::start(programs, candidate, settings.nodes, Ground::Plain)?;
            let prepared = if candidate.stores() && group.rows.iter().any(|row| row.work.reads()) {
                eprintln!("{}: putting {} keys into {candidate}", group.rows[0].name, keys.count);
                Some(prepare::prepare(&server.endpoints()[0], &keys, &values).with_context(|| candidate.to_string())?)
            } else {
                None
            };
            servers.push((server, prepared));
        }
    }
    let rows = group.rows.iter().map(|row| run_row(settings, row, &keys, &values, &servers));
    rows.collect()
}

fn run_row(
    settings: &Settings,
    row: &Row,
    keys: &Keys,
    values: &Values,
    servers: &[(Cluster, Option<Prepared>)],
) -> Result<RowResult> {
    let mut taken: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..settings.rounds {
        // Each round begins with another server, so that no server is the first one in every round.
        for turn in 0..servers.len() {
            let at = (round + turn) % servers.len();
            let (server, prepared) = &servers[at];
            let plan = plan(settings, row, keys, values, server, *prepared)?;
            let measured = measure(plan, &server.stats()?).with_context(|| server.candidate().to_string())?;
            eprintln!(
                "{} round {}: {} {:.0}/s, p50 {} us",
                row.name,
                round + 1,
                server.candidate(),
                measured.per_second,
                measured.p50_us
            );
            if let Some(first) = &measured.first_error {
                eprintln!("{} round {}: {} errors, the first: {first}", row.name, round + 1, measured.errors);
            }
            taken[at].push(measured);
        }
    }
    let servers = servers.iter().zip(taken).map(|((server, _), rounds)| ServerResult {
        candidate: server.candidate(),
        median: median(&rounds),
        rounds,
    });
    Ok(RowResult { row: row.clone(), servers: servers.collect() })
}

fn plan(
    settings: &Settings,
    row: &Row,
    keys: &Keys,
    values: &Values,
    server: &Cluster,
    prepared: Option<Prepared>,
) -> Result<Plan> {
    let revision = prepared.filter(|_| row.old_revision).map_or(0, |prepared| prepared.old_revision);
    Ok(Plan {
        endpoints: row.through.choose(server.leader_first()?),
        task: Task {
            work: row.work,
            keys: keys.clone(),
            values: values.clone(),
            revision,
            extra_keys: prepared.map_or(0, |prepared| prepared.extra),
            checked: server.candidate().stores(),
        },
        shape: row.shape,
        rate: None,
        warm_up: settings.warm_up,
        duration: settings.duration,
        threads: settings.generator_threads,
    })
}

fn median(rounds: &[Measured]) -> Median {
    let of = |figure: fn(&Measured) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        crate::report::median(&mut figures)
    };
    Median {
        per_second: of(|run| run.per_second),
        p50_us: of(|run| run.p50_us as f64),
        p99_us: of(|run| run.p99_us as f64),
        p999_us: of(|run| run.p999_us as f64),
        cpu_us: of(|run| run.cpu_us.unwrap_or(f64::NAN)),
        other_cores: of(|run| run.other_cores),
        errors: rounds.iter().map(|run| run.errors).sum(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::limits::Limits;
    use super::super::through::Through;
    use super::*;
    use crate::load::work::{Shape, Work};

    /// A row with these limits and medians.
    pub(in super::super) fn row_result(limits: Limits, medians: &[(Candidate, Median)]) -> RowResult {
        let (shape, through) = (Shape::of(64), Through::All);
        let row = Row { name: "row", work: Work::Put, shape, through, old_revision: false, limits };
        let server = |&(candidate, median)| ServerResult { candidate, median, rounds: Vec::new() };
        RowResult { row, servers: medians.iter().map(server).collect() }
    }
}
