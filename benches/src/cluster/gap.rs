//! `naxos-benches gap`: how long clients cannot write when the node of the leader fails.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::gaps::Longest;
use super::kind::Kind;
use super::subjects::Subjects;
use super::writers::{Errors, Writers};
use crate::pace;
use crate::report::markdown::Table;
use crate::report::verdict::{judged, verdict};
use crate::report::{median, milliseconds, write_json};
use crate::servers::{Candidate, Cluster, Programs};

/// How long all members serve before each fault.
const HEALTHY: Duration = Duration::from_secs(1);

/// How long the gap is still watched after the fault has ended.
const BACK: Duration = Duration::from_secs(2);

/// If a client has not written again after this time, the gap counts as it is.
const AWAY_MOST: Duration = Duration::from_secs(20);

/// How long to wait before checking again whether all clients have written.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Measure how long clients cannot write when the node of the leader fails.
///
/// A few clients write to a cluster without pause. Each knows all members, uses one at a time, and goes to the next one
/// after an error or when there is no answer in time. In each try the same thing happens to the node of the leader (for
/// Naxos the node that gives out positions in the log), and ends after a while. Two gaps are measured: the longest time
/// in which one and the same client wrote nothing (the worst client), and the longest time in which no client wrote.
/// "Back" is the gap of the worst client in the time after the fault has ended.
///
/// Freeze, cut, deaf and pair need root. Freeze makes file systems of its own and needs the programs mkfs.ext4, mount,
/// umount and fsfreeze. Cut, deaf and pair make network namespaces and need the program ip. All that is removed at the
/// end. If this program is killed, some of it stays: `mount` shows it as bench-disk-..., `ip netns` as
/// naxos-bench-....
///
/// The exit code is 1 if the median or the longest gap of the worst client of Naxos misses its limit.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    subjects: Subjects,
    /// Number of tries of each kind.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    tries: u16,
    /// What happens to the node of the leader, one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "kill,stop,freeze,cut,deaf,term,move")]
    kinds: Vec<Kind>,
    /// Number of clients.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// How long a client waits for an answer before it goes to the next member. No gap of the worst client can be
    /// shorter than this if its member falls silent.
    #[arg(long, default_value = "400ms", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// How long each fault lasts at least. If a client has not written again by then, the fault goes on until every
    /// client has, but it ends 20 s after its beginning at the latest.
    #[arg(long, default_value = "4s", value_parser = humantime::parse_duration)]
    away: Duration,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The gaps of one try, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
struct Try {
    worst_client_ms: f64,
    all_clients_ms: f64,
    back_worst_client_ms: f64,
    errors: u64,
}

/// All tries of one kind with one server.
#[derive(Debug, Serialize)]
struct Outcome {
    kind: Kind,
    server: Candidate,
    tries: Vec<Try>,
}

/// Runs the command. False if Naxos misses a limit.
pub fn run(args: &Args) -> Result<bool> {
    ensure!(!args.patience.is_zero(), "--patience must be above 0");
    for kind in &args.kinds {
        kind.need()?;
    }
    let programs = args.subjects.resolve()?;
    let mut outcomes = Vec::new();
    for &kind in &args.kinds {
        for &server in &args.subjects.server {
            let tries = tries(args, &programs, server, kind).with_context(|| format!("{kind} with {server}"))?;
            outcomes.push(Outcome { kind, server, tries });
        }
    }
    print!("{}", table(&outcomes));
    write_json(args.json.as_deref(), &outcomes)?;
    Ok(outcomes.iter().all(|outcome| outcome.judged() != Some(false)))
}

fn tries(args: &Args, programs: &Programs, server: Candidate, kind: Kind) -> Result<Vec<Try>> {
    let mut cluster = args.subjects.start(programs, server, kind.ground())?;
    let writers = Writers::start(&cluster.endpoints(), args.clients.into(), args.patience)?;
    let mut tries = Vec::new();
    for number in 1..=args.tries {
        cluster.wait_until_whole()?;
        let done = one(args, &mut cluster, &writers, kind)?;
        eprintln!("{kind}: {server} try {number}: {done}");
        tries.push(done.summary());
    }
    writers.stop()?;
    Ok(tries)
}

/// What one try has shown.
struct Done {
    leader: usize,
    /// The errors from the end of the previous fault to the beginning of this one.
    before: Errors,
    away: Longest,
    back: Longest,
    errors: Errors,
}

fn one(args: &Args, cluster: &mut Cluster, writers: &Writers, kind: Kind) -> Result<Done> {
    writers.spread();
    pace::sleep(HEALTHY);
    let leader = cluster.leader()?;
    let gaps = writers.gaps();
    let before = writers.take_errors();
    gaps.begin();
    let begun = pace::now();
    kind.strike(cluster, leader)?;
    pace::sleep(args.away.saturating_sub(begun.elapsed()));
    while !gaps.all_wrote() && begun.elapsed() < AWAY_MOST {
        pace::sleep(LOOK_AGAIN);
    }
    let (away, errors) = (gaps.longest(), writers.take_errors());
    gaps.begin();
    kind.heal(cluster, leader)?;
    pace::sleep(BACK);
    Ok(Done { leader, before, away, back: gaps.longest(), errors })
}

impl Done {
    fn summary(&self) -> Try {
        Try {
            worst_client_ms: milliseconds(self.away.one),
            all_clients_ms: milliseconds(self.away.all),
            back_worst_client_ms: milliseconds(self.back.one),
            errors: self.errors.count,
        }
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Try { worst_client_ms, all_clients_ms, back_worst_client_ms, .. } = self.summary();
        write!(
            out,
            "leader n{}: gap of the worst client {worst_client_ms:.0} ms, of all clients {all_clients_ms:.0} ms, back \
             {back_worst_client_ms:.0} ms; {}; before it {}",
            self.leader, self.errors, self.before
        )
    }
}

impl Outcome {
    /// The median and the highest of a figure.
    fn figure(&self, of: fn(&Try) -> f64) -> (f64, f64) {
        let mut figures: Vec<f64> = self.tries.iter().map(of).collect();
        let middle = median(&mut figures);
        (middle, figures.last().copied().unwrap_or(f64::NAN))
    }

    /// Whether the worst client kept the limits.
    fn judged(&self) -> Option<bool> {
        let limits = self.kind.limits();
        let (median, longest) = self.figure(|one| one.worst_client_ms);
        let held = median < milliseconds(limits.median) && longest <= milliseconds(limits.longest);
        judged(self.server, held)
    }
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&[
        "kind",
        "server",
        "tries",
        "worst client: median ms",
        "longest ms",
        "all clients: median ms",
        "longest ms",
        "back: median ms",
        "longest ms",
        "errors",
        "limit for the worst client",
        "verdict",
    ]);
    for outcome in outcomes {
        let cells = |of| {
            let (median, longest) = outcome.figure(of);
            [format!("{median:.0}"), format!("{longest:.0}")]
        };
        let limits = outcome.kind.limits();
        let limit = format!("median < {} ms, longest {} ms", limits.median.as_millis(), limits.longest.as_millis());
        let mut row = vec![outcome.kind.to_string(), outcome.server.to_string(), outcome.tries.len().to_string()];
        row.extend(cells(|one| one.worst_client_ms));
        row.extend(cells(|one| one.all_clients_ms));
        row.extend(cells(|one| one.back_worst_client_ms));
        row.push(outcome.tries.iter().map(|one| one.errors).sum::<u64>().to_string());
        row.push(outcome.judged().map_or("-".to_owned(), |_| limit));
        row.push(verdict(outcome.judged()));
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kind: Kind, gaps: &[f64]) -> Outcome {
        let one = |&gap| Try { worst_client_ms: gap, all_clients_ms: 0.0, back_worst_client_ms: 0.0, errors: 0 };
        Outcome { kind, server: Candidate::Naxos, tries: gaps.iter().map(one).collect() }
    }

    #[test]
    fn both_the_median_and_the_longest_gap_are_judged() {
        assert_eq!(outcome(Kind::Kill, &[900.0, 300.0, 400.0]).judged(), Some(true));
        assert_eq!(outcome(Kind::Kill, &[1001.0, 300.0, 400.0]).judged(), Some(false));
        assert_eq!(outcome(Kind::Kill, &[900.0, 500.0, 400.0]).judged(), Some(false));
        assert_eq!(outcome(Kind::Term, &[10.0, 20.0, 101.0]).judged(), Some(false));
        let other = Outcome { server: Candidate::Etcd, ..outcome(Kind::Kill, &[2000.0]) };
        assert_eq!(other.judged(), None, "only Naxos has limits");
    }
}
