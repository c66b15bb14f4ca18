//! Replicas ask each other for checksums over a connection.

use std::future::ready;
use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::contracts::{
    ChecksumMark, Checksums, ChecksumsError, HistoryHashes, MARKS_TOLD_MAX, REVISIONS_ASKED_MAX,
};
use naxos_proto::ids::Lsn;
use naxos_proto::peer::{ChecksumsService, RemoteChecksums};
use tonic::service::Routes;

use crate::world::{CALLER, Network, SERVER, home, simulate};

/// Tells `marks` marks, or `NotYet` if that is zero. Its hashes are the revisions themselves. If `drops_one`, one hash
/// is missing.
struct Replica {
    marks: usize,
    drops_one: bool,
}

fn marks(count: usize) -> Vec<ChecksumMark> {
    (1..=count as u64).map(|n| ChecksumMark { at: Lsn(64 * n), checksum: u64::MAX - n }).collect()
}

impl Checksums for Replica {
    fn marks(&self) -> BoxFuture<'_, Result<Vec<ChecksumMark>, ChecksumsError>> {
        Box::pin(ready(if self.marks == 0 { Err(ChecksumsError::NotYet) } else { Ok(marks(self.marks)) }))
    }

    fn hashes(&self, revisions: Vec<i64>) -> BoxFuture<'_, Result<HistoryHashes, ChecksumsError>> {
        let hashes = revisions.iter().skip(usize::from(self.drops_one)).map(|n| u32::try_from(*n).unwrap());
        let answer = HistoryHashes { compacted: -1, current: 77, hashes: hashes.collect() };
        Box::pin(ready(if self.marks == 0 { Err(ChecksumsError::NotYet) } else { Ok(answer) }))
    }
}

/// The replica as another node sees it.
fn remote(replica: Replica) -> RemoteChecksums {
    let network = Network::new();
    network.serve(Routes::new(ChecksumsService::server(&home(SERVER), Arc::new(replica))));
    RemoteChecksums::new(&network.link(home(CALLER)))
}

#[test]
fn what_a_replica_tells_arrives() {
    simulate(async {
        let replica = remote(Replica { marks: MARKS_TOLD_MAX, drops_one: false });
        assert_eq!(replica.marks().await, Ok(marks(MARKS_TOLD_MAX)));
        let revisions: Vec<i64> = (1..=REVISIONS_ASKED_MAX as i64).collect();
        let hashes = (1..=REVISIONS_ASKED_MAX as u32).collect();
        assert_eq!(replica.hashes(revisions).await, Ok(HistoryHashes { compacted: -1, current: 77, hashes }));
        let none = HistoryHashes { compacted: -1, current: 77, hashes: Vec::new() };
        assert_eq!(replica.hashes(Vec::new()).await, Ok(none));
        let starting = remote(Replica { marks: 0, drops_one: false });
        assert_eq!(starting.marks().await, Err(ChecksumsError::NotYet));
        assert_eq!(starting.hashes(vec![1]).await, Err(ChecksumsError::NotYet));
    });
}

#[test]
fn a_replica_that_breaks_a_bound_is_not_believed() {
    simulate(async {
        let replica = remote(Replica { marks: MARKS_TOLD_MAX + 1, drops_one: true });
        assert!(matches!(replica.marks().await, Err(ChecksumsError::Unreachable(_))));
        assert!(matches!(replica.hashes(vec![1, 2]).await, Err(ChecksumsError::Unreachable(_))));
        for revisions in [vec![2, 1], vec![1; REVISIONS_ASKED_MAX + 1]] {
            assert!(matches!(replica.hashes(revisions).await, Err(ChecksumsError::Unreachable(_))), "it is refused");
        }
    });
}
