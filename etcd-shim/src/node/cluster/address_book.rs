//! [`AddressBook`]: where the members of the cluster are reached.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use naxos_proto::contracts::ClusterView;
use naxos_proto::ids::MemberId;
use naxos_proto::peer::Connector;
use naxos_proto::seams::{Address, BoxConnection, Net};
use parking_lot::RwLock;

use super::peer_tls::PeerConnector;
use crate::config::{ServerConfig, Url, join};
use crate::tls::TlsError;

/// The peer URLs of the members, this one included. They change with the list of members.
pub(in crate::node) struct AddressBook {
    net: Arc<dyn Net>,
    config: ServerConfig,
    members: RwLock<BTreeMap<MemberId, Arc<MemberAddress>>>,
}

impl AddressBook {
    /// A book without members.
    pub(in crate::node) fn new(net: Arc<dyn Net>, config: ServerConfig) -> Self {
        Self { net, config, members: RwLock::default() }
    }

    /// Writes down the URLs of a member. Connections that are made from now on go there. Without URLs nothing changes.
    pub(in crate::node) fn set(&self, member: MemberId, urls: &[Url]) -> Result<(), TlsError> {
        if urls.is_empty() {
            return Ok(());
        }
        if let Some(known) = self.members.read().get(&member) {
            return known.set(&self.net, &self.config, urls);
        }
        let address = MemberAddress(RwLock::new(Targets::new(&self.net, &self.config, urls)?));
        self.members.write().insert(member, Arc::new(address));
        Ok(())
    }

    /// Writes down the URLs of all members of a view.
    pub(in crate::node) fn set_all(&self, view: &ClusterView) {
        for (id, member) in &view.members {
            let urls: Result<Vec<Url>, String> = member.peer_urls.iter().map(|url| Url::parse(url)).collect();
            let done = urls.and_then(|urls| self.set(*id, &urls).map_err(|error| error.to_string()));
            if let Err(error) = done {
                tracing::warn!(member_id = %id, error, "the peer URL of a member cannot be used");
            }
        }
    }

    /// Where a member is reached.
    pub(in crate::node) fn get(&self, member: MemberId) -> Option<Arc<MemberAddress>> {
        self.members.read().get(&member).cloned()
    }

    /// All members but `own`.
    pub(in crate::node) fn others(&self, own: MemberId) -> Vec<Arc<MemberAddress>> {
        let members = self.members.read();
        members.iter().filter(|(member, _)| **member != own).map(|(_, address)| Arc::clone(address)).collect()
    }
}

/// Where one member is reached: a connector that goes to one of the member's present URLs, and to the next one after it could
/// not connect.
pub(in crate::node) struct MemberAddress(RwLock<Arc<Targets>>);

struct Targets {
    urls: Vec<Url>,
    connectors: Vec<PeerConnector>,
    /// The number of the URL to try next.
    next: AtomicUsize,
}

impl Targets {
    /// `urls` is not empty.
    fn new(net: &Arc<dyn Net>, config: &ServerConfig, urls: &[Url]) -> Result<Arc<Self>, TlsError> {
        assert!(!urls.is_empty(), "a member without a peer URL");
        let connectors =
            urls.iter().map(|url| PeerConnector::new(Arc::clone(net), config, url)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { urls: urls.to_vec(), connectors, next: AtomicUsize::new(0) }))
    }

    async fn connect(&self) -> io::Result<BoxConnection> {
        let at = self.next.load(Ordering::Relaxed) % self.urls.len();
        // This is stored before the attempt, because the caller drops an attempt that takes too long.
        self.next.store(at + 1, Ordering::Relaxed);
        let connection = self.connectors[at].connect(&self.urls[at].address()).await?;
        self.next.store(at, Ordering::Relaxed);
        Ok(connection)
    }
}

impl MemberAddress {
    /// The address of a member that is in no book. `urls` is not empty.
    pub(in crate::node) fn of(net: &Arc<dyn Net>, config: &ServerConfig, urls: &[Url]) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Targets::new(net, config, urls)?)))
    }

    fn set(&self, net: &Arc<dyn Net>, config: &ServerConfig, urls: &[Url]) -> Result<(), TlsError> {
        if self.0.read().urls != *urls {
            let targets = Targets::new(net, config, urls)?;
            tracing::info!(urls = join(urls), "a member has new peer URLs");
            *self.0.write() = targets;
        }
        Ok(())
    }

    /// One of the member's present addresses.
    pub(in crate::node) fn address(&self) -> Address {
        self.0.read().urls[0].address()
    }
}

impl Connector for MemberAddress {
    fn connect<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>> {
        let targets = Arc::clone(&self.0.read());
        Box::pin(async move { targets.connect().await })
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::SocketNet;
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{self, Program};

    #[tokio::test]
    async fn a_member_is_reached_at_the_url_that_works() {
        let lost = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let works = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = |listener: &TcpListener| Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let urls = [url(&lost), url(&works)];
        drop(lost);
        let net: Arc<dyn Net> = Arc::new(SocketNet);
        let config = config::load(Program::Naxos, &[], &BTreeMap::new()).unwrap().config;
        let member = MemberAddress::of(&net, &config, &urls).unwrap();
        let connects = async || member.connect(&member.address()).await.is_ok();
        assert!(!connects().await, "nobody listens at the first URL");
        assert!(connects().await && connects().await, "from then on the second one is used");
        drop(works);
        assert!(!connects().await);
        member.set(&net, &config, &urls[..1]).unwrap();
        assert!(!connects().await && member.0.read().urls == urls[..1]);
    }
}
