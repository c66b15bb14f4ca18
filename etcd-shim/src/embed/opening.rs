//! [`Opening`]: how a store is opened.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use naxos_log_server::LogServerConfig;
use naxos_log_server::disk::RealDisk;
use naxos_proto::seams::{BootClock, Disk, OsEntropy, Seams, SocketNet, ThreadWorker};

use super::life::{Life, Plan};
use super::memory_disk::MemoryDisk;
use super::{Error, Naxos};
use crate::config::{self, Program, ServerConfig};
use crate::state::Applicator;

/// How a store is opened. Awaiting it starts the node, and gives a [`Naxos`] once the node serves.
#[must_use = "nothing is opened before this is awaited"]
pub struct Opening {
    /// `None` keeps everything in memory.
    data_dir: Option<PathBuf>,
    peers: Option<(usize, Vec<String>)>,
    etcd: Option<String>,
    flags: Vec<String>,
    applicator: Option<Arc<dyn Applicator>>,
    place: Place,
}

/// Where the node runs.
enum Place {
    ThisMachine,
    /// A simulated host, with these settings of the storage unit.
    Simulated(Seams, LogServerConfig),
}

impl Opening {
    pub(super) fn at(data_dir: Option<PathBuf>) -> Self {
        Self { data_dir, peers: None, etcd: None, flags: Vec::new(), applicator: None, place: Place::ThisMachine }
    }

    /// Makes this node one of several that keep the same store. `urls` are the addresses at which the nodes reach each
    /// other, such as `http://10.0.0.1:2380`: the same list in the same order on all nodes. `own` is the number of this
    /// node in it, from 0 on.
    ///
    /// A store on three nodes survives the loss of any one of them. When it is opened for the first time, it waits until
    /// a majority of the nodes is there.
    pub fn peers<U: Into<String>>(mut self, own: usize, urls: impl IntoIterator<Item = U>) -> Self {
        self.peers = Some((own, urls.into_iter().map(Into::into).collect()));
        self
    }

    /// Also serves the store to clients of etcd, without TLS, at `address`, such as `127.0.0.1:2379`.
    pub fn serve_etcd(mut self, address: impl Into<String>) -> Self {
        self.etcd = Some(address.into());
        self
    }

    /// Sets a flag of the `naxos` program, such as `flag("quota-backend-bytes", "0")`; see `naxos --help`.
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push(format!("--{name}={value}"));
        self
    }

    /// Runs a state machine of the program's own beside the keys and values. All nodes must run the same one.
    pub fn applicator(mut self, applicator: impl Applicator) -> Self {
        self.applicator = Some(Arc::new(applicator));
        self
    }

    /// Runs the node on this clock, disk and network instead of this machine's, and on one thread, with these settings of
    /// its storage unit. For the simulator (`naxos-sim`).
    #[doc(hidden)]
    pub fn on(mut self, seams: Seams, unit: LogServerConfig) -> Self {
        self.place = Place::Simulated(seams, unit);
        self
    }

    /// The configuration, as the flags of the program would give it.
    fn config(&self) -> Result<ServerConfig, Error> {
        let data_dir = self.data_dir.clone().unwrap_or_else(|| PathBuf::from("memory"));
        let data_dir = data_dir.to_str().ok_or_else(|| {
            Error::Start(format!("expected the name of a directory in UTF-8, found {}", data_dir.display()))
        })?;
        let mut words = vec![format!("--data-dir={data_dir}")];
        match &self.peers {
            Some((own, urls)) => {
                let url = urls.get(*own).ok_or_else(|| {
                    Error::Start(format!("expected the number of a node below {}, found {own}", urls.len()))
                })?;
                let named: Vec<String> = urls.iter().enumerate().map(|(at, url)| format!("n{at}={url}")).collect();
                words.push(format!("--name=n{own}"));
                words.push(format!("--listen-peer-urls={url}"));
                words.push(format!("--initial-advertise-peer-urls={url}"));
                words.push(format!("--initial-cluster={}", named.join(",")));
            }
            // A node that is alone is not reached by others.
            None => words.push("--listen-peer-urls=http://127.0.0.1:0".to_owned()),
        }
        let address = self.etcd.as_deref().unwrap_or("127.0.0.1:0");
        words.push(format!("--listen-client-urls=http://{address}"));
        words.push(format!("--advertise-client-urls=http://{address}"));
        words.extend(self.flags.iter().cloned());
        let loaded = config::load(Program::Naxos, &words, &BTreeMap::new());
        let mut config = loaded.map_err(|stop| Error::Start(stop.to_string()))?.config;
        if self.etcd.is_none() {
            config.listen_client_urls.clear();
            config.advertise_client_urls.clear();
        }
        Ok(config)
    }
}

/// The clock, the network and the rest of this machine.
fn of_this_machine(data_dir: Option<PathBuf>) -> Seams {
    let disk: Arc<dyn Disk> = match data_dir {
        Some(data_dir) => Arc::new(RealDisk::at(data_dir)),
        None => Arc::new(MemoryDisk::default()),
    };
    let worker = Arc::new(ThreadWorker);
    Seams { clock: Arc::new(BootClock), entropy: Arc::new(OsEntropy), net: Arc::new(SocketNet), disk, worker }
}

impl IntoFuture for Opening {
    type Output = Result<Naxos, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let config = self.config()?;
            let (seams, runtimes, unit) = match self.place {
                Place::ThisMachine => {
                    let runtimes = std::thread::available_parallelism().map_or(1, usize::from);
                    (of_this_machine(self.data_dir), runtimes, LogServerConfig::default())
                }
                Place::Simulated(seams, unit) => (seams, 1, unit),
            };
            let plan = Plan { config, seams, runtimes, unit, applicator: self.applicator };
            Life::start(plan).await.map(Naxos::new)
        })
    }
}
