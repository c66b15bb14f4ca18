//! [`ClusterView`] as a message, which is also the content of the file `members`.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::{DecodeError, Message};

use crate::contracts::{ClusterView, ListedMember};
use crate::ids::{ClusterId, LogId, Lsn, MemberId, StorageId};
use crate::peer::generated as wire;
use crate::release::ClusterVersion;

fn seats(seats: &BTreeMap<MemberId, StorageId>) -> Vec<wire::Seat> {
    seats.iter().map(|(member, storage)| wire::Seat { member: member.0, storage: storage.0 }).collect()
}

fn taken_seats(seats: Vec<wire::Seat>) -> BTreeMap<MemberId, StorageId> {
    seats.into_iter().map(|seat| (MemberId(seat.member), StorageId(seat.storage))).collect()
}

impl From<ClusterView> for wire::Cluster {
    fn from(view: ClusterView) -> Self {
        let member = |(id, member): (MemberId, ListedMember)| {
            let ListedMember { name, peer_urls, is_learner } = member;
            wire::ListedMember { id: id.0, name, peer_urls, is_learner }
        };
        Self {
            cluster: view.cluster.0,
            log: view.log.0,
            at: view.at.0,
            founders: seats(&view.founders),
            seats: seats(&view.seats),
            members: view.members.into_iter().map(member).collect(),
            version: view.version.0,
            voters: view.voters.into_iter().map(|voter| voter.0).collect(),
        }
    }
}

impl From<wire::Cluster> for ClusterView {
    fn from(message: wire::Cluster) -> Self {
        let member = |member: wire::ListedMember| {
            let wire::ListedMember { id, name, peer_urls, is_learner } = member;
            (MemberId(id), ListedMember { name, peer_urls, is_learner })
        };
        Self {
            cluster: ClusterId(message.cluster),
            log: LogId(message.log),
            at: Lsn(message.at),
            founders: taken_seats(message.founders),
            seats: taken_seats(message.seats),
            members: message.members.into_iter().map(member).collect(),
            version: ClusterVersion(message.version).max(ClusterVersion::FIRST),
            voters: message.voters.into_iter().map(StorageId).collect(),
        }
    }
}

impl ClusterView {
    /// The view as bytes.
    pub fn encode(&self) -> Bytes {
        wire::Cluster::from(self.clone()).encode_to_vec().into()
    }

    /// Reads the bytes of [`Self::encode`].
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        wire::Cluster::decode(bytes).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_comes_back_as_it_was_told() {
        let member = ListedMember { name: "a".to_owned(), peer_urls: vec!["http://a:1".to_owned()], is_learner: true };
        let view = ClusterView {
            cluster: ClusterId(1),
            log: LogId(2),
            at: Lsn(3),
            founders: BTreeMap::from([(MemberId(4), StorageId(5))]),
            seats: BTreeMap::from([(MemberId(4), StorageId(6))]),
            members: BTreeMap::from([(MemberId(4), member), (MemberId(7), ListedMember::default())]),
            version: ClusterVersion(3),
            voters: [StorageId(6), StorageId(8)].into(),
        };
        assert_eq!(ClusterView::decode(view.encode()).unwrap(), view);
    }
}
