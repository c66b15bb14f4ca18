//! The load generator: `naxos-benches load`.

pub mod client;
pub mod connection;
pub mod generator;
pub mod keys;
pub mod measure;
pub mod preload;
pub mod schedule;
pub mod tally;
pub mod watcher;
pub mod windows;
pub mod work;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::report;
use crate::servers::proc_stat::ProcStat;
use client::Task;
use connection::Endpoint;
use generator::Plan;
use keys::{Keys, Values};
use work::{Shape, Work};

/// Default number of watchers of a watch work.
pub const WATCHERS: usize = 100;

/// Default number of writers of a watch work.
pub const WRITERS: usize = 16;

/// Drive an etcd endpoint and print throughput, latencies and the server's CPU time per operation.
///
/// Closed loop: each client calls again as soon as it has its answer. Open loop (--rate): calls begin at fixed times
/// whatever the server does, and latency counts from the intended time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Endpoint of the server (plain http). For a cluster, repeat the flag or separate the endpoints with commas.
    #[arg(long, default_value = "http://127.0.0.1:2379", value_delimiter = ',')]
    endpoint: Vec<Endpoint>,
    /// What the clients do.
    #[arg(long, value_enum, default_value = "put")]
    work: Work,
    /// Number of clients, each with one call in flight; for watch the number of writers [default: 64; for watch 16].
    #[arg(long)]
    clients: Option<usize>,
    /// Number of connections that the clients share [default: as many as clients, but at most 8 for up to 64 clients
    /// and 16 for more; for watch 8].
    #[arg(long)]
    connections: Option<usize>,
    /// Number of watchers of a watch work.
    #[arg(long, default_value_t = WATCHERS)]
    watchers: usize,
    /// Number of keys that the work is spread over. If the work reads keys, all are put before it starts.
    #[arg(long, default_value_t = 10_000)]
    keys: u64,
    /// What the keys begin with.
    #[arg(long, default_value = "naxos-benches/")]
    prefix: String,
    /// Size of a value in bytes.
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    /// Length of the measured window.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// How long the load runs before the measured window.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    warm_up: Duration,
    /// Run an open loop, with this many calls per second of all clients together.
    #[arg(long)]
    rate: Option<f64>,
    /// Read at this revision instead of the current one.
    #[arg(long, default_value_t = 0)]
    revision: i64,
    /// Do not put the keys before the work, and do not check how many keys a list or a page has.
    #[arg(long)]
    no_preload: bool,
    /// Number of threads of the generator [default: one for each core].
    #[arg(long)]
    threads: Option<usize>,
    /// Id of the server's process, whose CPU time and memory are then measured. For a cluster, repeat the flag or
    /// separate the ids with commas; the figures are then those of all of them together.
    #[arg(long, value_delimiter = ',')]
    pid: Vec<u32>,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs one work against the endpoints. Returns false if a call failed.
pub fn run(args: Args) -> Result<bool> {
    ensure!(args.rate.is_none_or(|rate| rate > 0.0), "--rate must be above 0");
    ensure!(args.keys > 0, "--keys must be above 0");
    let keys = Keys { prefix: args.prefix.clone(), count: args.keys };
    let values = Values::new(args.value_bytes);
    if args.work.reads() && !args.no_preload {
        eprintln!("preloading {} keys", keys.count);
        preload::preload(&args.endpoint[0], &keys, &values)?;
    }
    let shape = args.shape();
    ensure!(shape.clients > 0 && shape.connections > 0, "--clients and --connections must be above 0");
    let plan = Plan {
        task: Task { work: args.work, keys, values, revision: args.revision, extra_keys: 0, checked: !args.no_preload },
        endpoints: args.endpoint,
        shape,
        rate: args.rate,
        warm_up: args.warm_up,
        duration: args.duration,
        threads: args.threads.unwrap_or_else(cores),
    };
    let servers = args.pid.iter().copied().map(ProcStat::of).collect::<Result<Vec<_>>>()?;
    let measured = measure::measure(plan, &servers)?;
    print!("{}", report::measured_table(&[("", &measured)]));
    report::write_json(args.json.as_deref(), &measured)?;
    Ok(measured.errors == 0)
}

impl Args {
    fn shape(&self) -> Shape {
        let watch = self.work == Work::Watch;
        let clients = self.clients.unwrap_or(if watch { WRITERS } else { 64 });
        let connections = if watch { 8 } else { work::usual_connections(clients) };
        let watchers = if watch { self.watchers } else { 0 };
        Shape { clients, connections: self.connections.unwrap_or(connections), watchers }
    }
}

/// Number of cores of this machine. A floor server has as many runtimes, and the generator has as many threads unless
/// it is given another number.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
