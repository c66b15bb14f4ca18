//! `naxos-benches reconfigure`: what clients notice when the log is reconfigured on purpose.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::patient_clients::PatientClients;
use super::writers::Errors;
use crate::pace;
use crate::report::markdown::Table;
use crate::report::verdict::verdict;
use crate::report::{milliseconds, percentile, write_json};
use crate::servers::cluster::Ground;
use crate::servers::{Candidate, Cluster, Programs};

/// How long clients write before the first reconfiguration.
const WARM_UP: Duration = Duration::from_secs(2);

/// At the 99th percentile, the pauses of the worst client must be shorter than this.
const PAUSE_P99_MAX: Duration = Duration::from_millis(50);

/// Reconfigure the log of a Naxos cluster on purpose, again and again, while clients write.
///
/// Each time the active loglet is sealed and the log continues on a new one, as with `naxos ctl reconfigure`. The
/// members are asked to do it in turn. Three pauses are measured: the one that the server reports, the longest time in
/// which no client wrote, and the longest time in which one and the same client wrote nothing.
///
/// The exit code is 1 if a client was told an error, or if the pauses of the worst client were too long at the 99th
/// percentile.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    programs: Programs,
    /// Number of members.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=5))]
    nodes: u8,
    /// How many times the log is reconfigured.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    times: u16,
    /// The kind of the new loglets. Several kinds are used in turn [default: the kind of the active one].
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Time between two reconfigurations.
    #[arg(long, default_value = "500ms", value_parser = humantime::parse_duration)]
    every: Duration,
    #[command(flatten)]
    clients: PatientClients,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The pauses of one reconfiguration, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
struct Pause {
    told_ms: f64,
    all_clients_ms: f64,
    worst_client_ms: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    pauses: Vec<Pause>,
    errors: u64,
    first_error: Option<String>,
}

/// Runs the command. False if a client was told an error, or if the pauses of the worst client were too long at the
/// 99th percentile.
pub fn run(args: &Args) -> Result<bool> {
    let programs = args.programs.clone().resolve(&[Candidate::Naxos])?;
    let mut cluster = Cluster::start(&programs, Candidate::Naxos, args.nodes.into(), Ground::Plain)?;
    cluster.wait_until_whole()?;
    let writers = args.clients.start(&cluster)?;
    pace::sleep(WARM_UP);
    let (gaps, mut pauses) = (writers.gaps(), Vec::new());
    for number in 0..usize::from(args.times) {
        gaps.begin();
        let at = number % cluster.nodes();
        let kind = args.kinds.get(number % args.kinds.len().max(1)).map_or("", String::as_str);
        let told = cluster.reconfigure(at, kind).with_context(|| format!("reconfigure through n{at}"))?;
        pace::sleep(args.every);
        let longest = gaps.longest();
        let pause = Pause {
            told_ms: milliseconds(told),
            all_clients_ms: milliseconds(longest.all),
            worst_client_ms: milliseconds(longest.one),
        };
        eprintln!(
            "reconfiguration {} through n{at}: pause {:.1} ms, worst client {:.1} ms",
            number + 1,
            pause.told_ms,
            pause.worst_client_ms
        );
        pauses.push(pause);
    }
    let errors = writers.take_errors();
    writers.stop()?;
    println!("{} reconfigurations, {} clients: {errors}\n", args.times, args.clients.clients);
    print!("{}", table(&pauses));
    let held = is_held(&pauses, &errors);
    write_json(args.json.as_deref(), &Report { pauses, errors: errors.count, first_error: errors.first })?;
    Ok(held)
}

fn is_held(pauses: &[Pause], errors: &Errors) -> bool {
    errors.count == 0 && p99(pauses, |pause| pause.worst_client_ms) < milliseconds(PAUSE_P99_MAX)
}

fn p99(pauses: &[Pause], of: fn(&Pause) -> f64) -> f64 {
    percentile(&mut pauses.iter().map(of).collect::<Vec<_>>(), 0.99)
}

fn table(pauses: &[Pause]) -> Table {
    let mut table = Table::new(&["pause", "p50 ms", "p99 ms", "longest ms", "limit at p99", "verdict"]);
    let rows: [(&str, fn(&Pause) -> f64, bool); 3] = [
        ("as the server tells", |pause| pause.told_ms, false),
        ("all clients", |pause| pause.all_clients_ms, false),
        ("the worst client", |pause| pause.worst_client_ms, true),
    ];
    for (name, of, judged) in rows {
        let mut figures: Vec<f64> = pauses.iter().map(of).collect();
        let limit = format!("< {} ms", PAUSE_P99_MAX.as_millis());
        table.row(vec![
            name.to_owned(),
            format!("{:.1}", percentile(&mut figures, 0.5)),
            format!("{:.1}", percentile(&mut figures, 0.99)),
            format!("{:.1}", percentile(&mut figures, 1.0)),
            if judged { limit } else { "-".to_owned() },
            verdict(judged.then(|| is_held(pauses, &Errors::default()))),
        ]);
    }
    table
}
