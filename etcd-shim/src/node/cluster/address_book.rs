//! [`AddressBook`]: where the members of the cluster are reached.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::contracts::ClusterView;
use naxos_proto::ids::MemberId;
use naxos_proto::peer::Connector;
use naxos_proto::seams::{Address, BoxConnection, Net};
use parking_lot::RwLock;

use super::peer_tls::PeerConnector;
use crate::config::{ServerConfig, Url};
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

    /// Writes down the first URL of a member. Connections that are made from now on go there.
    pub(in crate::node) fn set(&self, member: MemberId, urls: &[Url]) -> Result<(), TlsError> {
        let Some(url) = urls.first() else { return Ok(()) };
        if let Some(known) = self.members.read().get(&member) {
            return known.set(&self.net, &self.config, url);
        }
        let address = MemberAddress(RwLock::new(Target::new(&self.net, &self.config, url)?));
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

/// Where one member is reached: a connector that always goes to the member's present URL.
pub(in crate::node) struct MemberAddress(RwLock<Target>);

struct Target {
    url: Url,
    connector: Arc<PeerConnector>,
}

impl Target {
    fn new(net: &Arc<dyn Net>, config: &ServerConfig, url: &Url) -> Result<Self, TlsError> {
        let connector = Arc::new(PeerConnector::new(Arc::clone(net), config, url)?);
        Ok(Self { url: url.clone(), connector })
    }
}

impl MemberAddress {
    /// The address of `url`, which is of no member that has an id here.
    pub(in crate::node) fn of(net: &Arc<dyn Net>, config: &ServerConfig, url: &Url) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Target::new(net, config, url)?)))
    }

    fn set(&self, net: &Arc<dyn Net>, config: &ServerConfig, url: &Url) -> Result<(), TlsError> {
        if self.0.read().url != *url {
            let target = Target::new(net, config, url)?;
            tracing::info!(url = %url, "a member has a new peer URL");
            *self.0.write() = target;
        }
        Ok(())
    }

    /// The member's present address.
    pub(in crate::node) fn address(&self) -> Address {
        self.0.read().url.address()
    }
}

impl Connector for MemberAddress {
    fn connect<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>> {
        let (connector, address) = {
            let target = self.0.read();
            (Arc::clone(&target.connector), target.url.address())
        };
        Box::pin(async move { connector.connect(&address).await })
    }
}
