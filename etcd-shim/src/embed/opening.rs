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
use super::other_way::other_way;
use super::{Error, Naxos};
use crate::config::{self, Program, ServerConfig};
use crate::state::Applicator;

/// How a store is opened. Awaiting it starts the node, and gives a [`Naxos`] once the node serves.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use naxos::Naxos;
///
/// // In memory, with a flag of the server, and served to clients of etcd too.
/// let store = Naxos::memory().flag("auto-compaction-retention", "1h").serve_etcd("127.0.0.1:0").await?;
/// println!("etcdctl --endpoints={}", store.etcd_addresses().await?[0]);
/// store.stop().await;
///
/// // The node 0 of three. Each machine has its own number. It serves once two of the three are there.
/// let peers = ["http://10.0.0.1:2380", "http://10.0.0.2:2380", "http://10.0.0.3:2380"];
/// let opening = Naxos::open("./data").peers(0, peers);
/// # drop(opening);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is opened before this is awaited"]
pub struct Opening {
    /// `None` keeps everything in memory.
    data_dir: Option<PathBuf>,
    peers: Option<(usize, Vec<String>)>,
    etcd: Option<String>,
    /// Names without dashes, and values.
    flags: Vec<(String, String)>,
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
    /// a majority of the nodes is there. A directory that belongs to another list, or to another number of this one, is
    /// refused. Members that were added or removed since may be in the list or not.
    pub fn peers<U: Into<String>>(mut self, own: usize, urls: impl IntoIterator<Item = U>) -> Self {
        self.peers = Some((own, urls.into_iter().map(Into::into).collect()));
        self
    }

    /// Also serves the store to clients of etcd, without TLS, at `address`, such as `127.0.0.1:2379`.
    pub fn serve_etcd(mut self, address: impl Into<String>) -> Self {
        self.etcd = Some(address.into());
        self
    }

    /// Sets a flag of the `naxos` program, such as `flag("quota-backend-bytes", "0")`; see `naxos --help`. A flag for which
    /// the program has another way, such as `data-dir`, is refused when the store is opened.
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push((name.trim_start_matches('-').to_owned(), value.to_owned()));
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

    /// What [`Self::flag`] has set, in the form of a command line.
    fn flag_words(&self) -> Result<Vec<String>, Error> {
        let word = |(name, value): &(String, String)| {
            if name.contains('=') {
                return Err(Error::Start(format!("expected the name of a flag, without its value, found {name:?}")));
            }
            match other_way(name, self.peers.is_some(), self.etcd.is_some()) {
                Some(way) => Err(Error::Start(format!("--{name} is not set by `.flag(..)`: expected {way}"))),
                None => Ok(format!("--{name}={value}")),
            }
        };
        self.flags.iter().map(word).collect()
    }

    /// The configuration, as the flags of the program would give it.
    fn config(&self) -> Result<ServerConfig, Error> {
        let data_dir = self.data_dir.clone().unwrap_or_else(|| PathBuf::from("memory"));
        let data_dir = data_dir.to_str().ok_or_else(|| {
            Error::Start(format!("expected the name of a directory in UTF-8, found {}", data_dir.display()))
        })?;
        let mut words = vec![format!("--data-dir={data_dir}")];
        if let Some((own, urls)) = &self.peers {
            let url = urls.get(*own).ok_or_else(|| {
                Error::Start(format!("expected the number of a node below {}, found {own}", urls.len()))
            })?;
            let named: Vec<String> = urls.iter().enumerate().map(|(at, url)| format!("n{at}={url}")).collect();
            words.push(format!("--name=n{own}"));
            words.push(format!("--listen-peer-urls={url}"));
            words.push(format!("--initial-advertise-peer-urls={url}"));
            words.push(format!("--initial-cluster={}", named.join(",")));
        }
        let address = self.etcd.as_deref().unwrap_or("127.0.0.1:0");
        words.push(format!("--listen-client-urls=http://{address}"));
        words.push(format!("--advertise-client-urls=http://{address}"));
        words.extend(self.flag_words()?);
        let loaded = config::load(Program::Naxos, &words, &BTreeMap::new());
        let mut config = loaded.map_err(|stop| Error::Start(stop.to_string()))?.config;
        config.cluster.is_compared = true;
        // A node that is alone is not reached by others.
        if self.peers.is_none() {
            config.listen_peer_urls.clear();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_alone_opens_no_port_for_others() {
        let alone = Opening::at(None).config().unwrap();
        assert!(alone.listen_peer_urls.is_empty() && alone.listen_client_urls.is_empty());
        let listens = Opening::at(None).peers(0, ["http://127.0.0.1:1"]).flag("listen-peer-urls", "http://0.0.0.0:2");
        let listens = listens.config().unwrap();
        assert_eq!(config::join(&listens.listen_peer_urls), "http://0.0.0.0:2");
        assert_eq!(config::join(&listens.advertise_peer_urls), "http://127.0.0.1:1");
    }
}
