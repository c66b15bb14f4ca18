//! `naxos-benches rolling-restart`: what clients notice when the members are restarted one after the other.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::patient_clients::PatientClients;
use super::subjects::Subjects;
use crate::pace;
use crate::report::markdown::Table;
use crate::report::verdict::{judged, verdict};
use crate::report::{milliseconds, write_json};
use crate::servers::cluster::Ground;
use crate::servers::{Candidate, Programs};

/// How long clients write before the first restart and after each restart.
const AROUND: Duration = Duration::from_secs(2);

/// Restart the members of a cluster one after the other, while clients write.
///
/// Each member is ended by SIGTERM, stays away for a moment, and is started again. The next one follows when all
/// members serve again. Clients know all members and go to the next one after an error. If a client cannot reach a
/// member, this does not count as an error, because a client library then goes to the next member by itself.
///
/// The exit code is 1 if a client of Naxos was told an error.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    subjects: Subjects,
    /// How often every member is restarted.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each member is away.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    away: Duration,
    #[command(flatten)]
    clients: PatientClients,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What clients noticed in all restarts of one server.
#[derive(Debug, Serialize)]
struct Outcome {
    server: Candidate,
    restarts: usize,
    errors: u64,
    first_error: Option<String>,
    all_clients_ms: f64,
    worst_client_ms: f64,
}

/// Runs the command. False if a client of Naxos was told an error.
pub fn run(args: &Args) -> Result<bool> {
    let programs = args.subjects.resolve()?;
    let servers = args.subjects.server.iter();
    let outcomes: Vec<Outcome> = servers.map(|&server| restart_all(args, &programs, server)).collect::<Result<_>>()?;
    print!("{}", table(&outcomes));
    write_json(args.json.as_deref(), &outcomes)?;
    Ok(outcomes.iter().all(|outcome| outcome.judged() != Some(false)))
}

fn restart_all(args: &Args, programs: &Programs, server: Candidate) -> Result<Outcome> {
    let mut cluster = args.subjects.start(programs, server, Ground::Plain)?;
    let writers = args.clients.start(&cluster)?;
    pace::sleep(AROUND);
    let gaps = writers.gaps();
    let mut outcome =
        Outcome { server, restarts: 0, errors: 0, first_error: None, all_clients_ms: 0.0, worst_client_ms: 0.0 };
    for _ in 0..args.rounds {
        for at in 0..cluster.nodes() {
            writers.spread();
            let leads = cluster.leader()? == at;
            gaps.begin();
            let (took, _) = cluster.server(at).terminate()?;
            pace::sleep(args.away);
            cluster.server(at).restart().with_context(|| format!("start n{at} again"))?;
            cluster.wait_until_whole()?;
            pace::sleep(AROUND);
            let (longest, errors) = (gaps.longest(), writers.take_errors());
            let role = if leads { "leader" } else { "follower" };
            eprintln!(
                "{server}: n{at} ({role}) took {} ms to stop; longest time without a write: {} ms for one client, {} ms for all \
                 clients together; {errors}",
                took.as_millis(),
                longest.one.as_millis(),
                longest.all.as_millis()
            );
            outcome.restarts += 1;
            outcome.errors += errors.count;
            outcome.first_error = outcome.first_error.or(errors.first);
            outcome.all_clients_ms = outcome.all_clients_ms.max(milliseconds(longest.all));
            outcome.worst_client_ms = outcome.worst_client_ms.max(milliseconds(longest.one));
        }
    }
    writers.stop()?;
    Ok(outcome)
}

impl Outcome {
    fn judged(&self) -> Option<bool> {
        judged(self.server, self.errors == 0)
    }
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&[
        "server",
        "restarts",
        "errors",
        "first error",
        "worst client: longest gap ms",
        "all clients: longest gap ms",
        "limit",
        "verdict",
    ]);
    for outcome in outcomes {
        table.row(vec![
            outcome.server.to_string(),
            outcome.restarts.to_string(),
            outcome.errors.to_string(),
            outcome.first_error.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{:.0}", outcome.worst_client_ms),
            format!("{:.0}", outcome.all_clients_ms),
            outcome.judged().map_or("-", |_| "no error").to_owned(),
            verdict(outcome.judged()),
        ]);
    }
    table
}
