//! `naxos-benches million`: memory and restart time with a million keys.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde::Serialize;

use crate::load::keys::{Keys, Values};
use crate::load::preload::{count, put_all};
use crate::pace;
use crate::report::markdown::Table;
use crate::report::verdict::{judged, verdict};
use crate::report::{mebibytes, write_json};
use crate::servers::{Candidate, Programs, Server};

/// Limit of Naxos's resident memory with a million keys that have values of 1 KiB.
const RESIDENT_BYTES_MAX: u64 = 1_500_000_000;

/// Limit of the time that Naxos takes from exec to serving.
const RESTART_MAX: Duration = Duration::from_secs(5);

/// Time for a server to do delayed work before its memory is read.
const SETTLE: Duration = Duration::from_secs(5);

/// Before `kill -9`, a part of the keys is overwritten, so that the restart has a log to replay. The number of these
/// keys is the number of all keys divided by this.
const OVERWRITTEN: u64 = 50;

/// Load a million keys with values of 1 KiB, and measure resident memory and restart times.
///
/// A restart is measured after SIGTERM and after kill -9, from exec to the first linearizable get.
///
/// The files are in the page cache: this is a restart, not a reboot. The exit code is 1 if Naxos misses a limit.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    programs: Programs,
    /// The servers to measure, one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "naxos,etcd")]
    servers: Vec<Candidate>,
    /// Number of keys.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Size of a value in bytes.
    #[arg(long, default_value_t = 1024)]
    value_bytes: usize,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    server: Candidate,
    keys: u64,
    load_seconds: f64,
    data_bytes: u64,
    loaded_resident_bytes: u64,
    stop_seconds: f64,
    after_sigterm_seconds: f64,
    after_sigterm_resident_bytes: u64,
    after_kill_seconds: f64,
    after_kill_resident_bytes: u64,
}

/// Runs the command. False if Naxos misses a limit.
pub fn run(args: &Args) -> Result<bool> {
    ensure!(
        args.servers.iter().all(|server| server.stores()),
        "--servers takes only naxos and etcd here, because the others keep no keys"
    );
    let programs = args.programs.clone().resolve(&args.servers)?;
    let mut outcomes = Vec::new();
    for &candidate in &args.servers {
        outcomes.push(run_one(args, &programs, candidate).with_context(|| candidate.to_string())?);
    }
    print(&outcomes);
    write_json(args.json.as_deref(), &outcomes)?;
    Ok(outcomes.iter().filter(|outcome| outcome.server == Candidate::Naxos).all(Outcome::held))
}

fn run_one(args: &Args, programs: &Programs, candidate: Candidate) -> Result<Outcome> {
    let keys = Keys { prefix: "million/".to_owned(), count: args.keys };
    let values = Values::new(args.value_bytes);
    let mut server = Server::start(programs, candidate)?;
    let begun = pace::now();
    eprintln!("{candidate}: putting {} keys with values of {} bytes", args.keys, args.value_bytes);
    pace::runtime()?.block_on(put_all(server.endpoint(), &keys, &values))?;
    let load_seconds = begun.elapsed().as_secs_f64();
    pace::sleep(SETTLE);
    let (data_bytes, loaded_resident_bytes) = (server.data_bytes()?, server.stat()?.resident_bytes()?);

    let (stop, status) = server.terminate()?;
    // After a clean stop etcd ends itself with the same signal.
    let in_order = status.success() || status.signal() == Some(Signal::TERM.as_raw());
    ensure!(in_order, "after SIGTERM the server did not stop cleanly: {status}");
    let after_sigterm = server.restart()?;
    let after_sigterm_resident_bytes = all_there(&server, &keys)?;
    eprintln!("{candidate}: stopped in {stop:?}, serves again after {after_sigterm:?}");

    let again = Keys { count: args.keys / OVERWRITTEN, ..keys.clone() };
    pace::runtime()?.block_on(put_all(server.endpoint(), &again, &values))?;
    server.kill();
    let after_kill = server.restart()?;
    let after_kill_resident_bytes = all_there(&server, &keys)?;
    eprintln!("{candidate}: killed, serves again after {after_kill:?}");
    Ok(Outcome {
        server: candidate,
        keys: args.keys,
        load_seconds,
        data_bytes,
        loaded_resident_bytes,
        stop_seconds: stop.as_secs_f64(),
        after_sigterm_seconds: after_sigterm.as_secs_f64(),
        after_sigterm_resident_bytes,
        after_kill_seconds: after_kill.as_secs_f64(),
        after_kill_resident_bytes,
    })
}

/// Checks that no key is missing. Returns the resident memory after the server has settled.
fn all_there(server: &Server, keys: &Keys) -> Result<u64> {
    let (found, _) = pace::runtime()?.block_on(count(server.endpoint(), keys))?;
    ensure!(found == keys.count, "{} keys were put, {found} are there after the restart", keys.count);
    pace::sleep(SETTLE);
    server.stat()?.resident_bytes()
}

impl Outcome {
    fn resident_bytes_max(&self) -> u64 {
        self.loaded_resident_bytes.max(self.after_sigterm_resident_bytes).max(self.after_kill_resident_bytes)
    }

    fn held(&self) -> bool {
        let restart = self.after_sigterm_seconds.max(self.after_kill_seconds);
        self.resident_bytes_max() <= RESIDENT_BYTES_MAX && restart < RESTART_MAX.as_secs_f64()
    }
}

fn print(outcomes: &[Outcome]) {
    let mut table = Table::new(&[
        "server",
        "keys",
        "load s",
        "data MiB",
        "RSS MiB loaded",
        "stop s",
        "serves after SIGTERM s",
        "RSS MiB",
        "serves after kill -9 s",
        "RSS MiB",
        "verdict",
    ]);
    for outcome in outcomes {
        let seconds = |seconds: f64| format!("{seconds:.2}");
        table.row(vec![
            outcome.server.to_string(),
            outcome.keys.to_string(),
            seconds(outcome.load_seconds),
            mebibytes(outcome.data_bytes),
            mebibytes(outcome.loaded_resident_bytes),
            seconds(outcome.stop_seconds),
            seconds(outcome.after_sigterm_seconds),
            mebibytes(outcome.after_sigterm_resident_bytes),
            seconds(outcome.after_kill_seconds),
            mebibytes(outcome.after_kill_resident_bytes),
            verdict(judged(outcome.server, outcome.held())),
        ]);
    }
    println!("{table}");
    println!("Limits for naxos: RSS <= {} MiB, serves in < {RESTART_MAX:?}.", mebibytes(RESIDENT_BYTES_MAX));
}
