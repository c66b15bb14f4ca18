//! What the commands about the version of the cluster write.

use naxos_proto::ids::MemberId;
use naxos_proto::release::ClusterVersion;

use super::writer::{Note, Writer};
use crate::state::answer::Answer;
use crate::state::error::EtcdError;
use crate::state::versions::{Announced, cluster_row, member_row};

impl Writer<'_, '_> {
    /// Notes which version the process of a member understands. The announcement of a data directory that has lost the
    /// seat says nothing about the one that has it now.
    pub(super) fn announce(&mut self, member: MemberId, announced: Announced) -> Result<Answer, EtcdError> {
        if !self.store.members.contains_key(&member.0) {
            return Err(EtcdError::MemberNotFound);
        }
        if self.store.seats.lost().any(|(storage, _)| storage == announced.by.storage) {
            return Ok(Answer::Done);
        }
        self.rows.put(member_row(self.store.id, member.0), announced.encode());
        self.store.versions.announce(member.0, announced);
        Ok(Answer::Done)
    }

    /// Forgets what a member has announced.
    pub(super) fn forget_announced(&mut self, member: u64) {
        self.rows.delete(member_row(self.store.id, member));
        self.store.versions.forget(member);
    }

    /// Raises the version of the cluster, if all members have announced it. After the command was proposed, a member
    /// may have gone back to an older program and have announced that: then nothing changes.
    ///
    /// Panics if the version rises above the versions that this build understands. This happens, for example, if this
    /// member announced the version while it ran a newer program. What comes next in the log may be in a form that this
    /// build cannot apply, so this build must not go on.
    pub(super) fn raise_version(&mut self, version: ClusterVersion) -> Answer {
        let store = &mut *self.store;
        if store.versions.raise(version, store.members.keys().copied()) {
            version.check().unwrap_or_else(|newer| panic!("{newer}"));
            let (name, value) = cluster_row(store.id, version);
            self.rows.put(name, value);
            self.notes.push(Note::Version(version));
        }
        Answer::Done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use naxos_engines::LocalStore;
    use naxos_engines::batching::Application;
    use naxos_proto::etcd::server::etcdserverpb as pb;
    use naxos_proto::ids::{Boot, Incarnation, Lsn, StorageId, StoreId};
    use naxos_proto::seams::sim::Drive;
    use naxos_proto::seams::{BootClock, Disk};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::state::{Command, Machine, SharedStore};

    const LATER: ClusterVersion = ClusterVersion(ClusterVersion::NEWEST.0 + 1);

    /// Applies commands one after the other to a store with the members 1, 2 and 3.
    struct Applied {
        disk: Arc<dyn Disk>,
        store: Arc<SharedStore>,
        local: LocalStore,
        machine: Machine<()>,
        at: u64,
    }

    impl Applied {
        async fn new() -> Self {
            let disk = Drive::new(1).mount();
            let local = LocalStore::open(Arc::clone(&disk), Arc::new(BootClock)).await.unwrap();
            let store = SharedStore::rebuild(StoreId(0), &local.reader(), usize::MAX);
            let machine = Machine::new(Arc::clone(&store), local.reader(), ());
            let mut applied = Self { disk, store, local, machine, at: 0 };
            let members = [1, 2, 3].map(|id| pb::Member { id, ..pb::Member::default() });
            applied.apply(Command::Begin(pb::MemberListResponse { header: None, members: members.into() }));
            applied
        }

        fn apply(&mut self, command: Command) {
            let mut txn = self.local.begin();
            self.machine.apply(&mut txn, Lsn(self.at), 0, command.encode(StoreId(0))).unwrap();
            self.machine.end_entry(&mut txn);
            self.at += 1;
            txn.commit(Lsn(self.at));
            self.machine.post_apply(Lsn(self.at));
        }

        fn announce(&mut self, member: u64, storage: u64, version: ClusterVersion) {
            let by = Incarnation { storage: StorageId(storage), boot: Boot(1) };
            self.apply(Command::Announce { member: MemberId(member), announced: Announced { by, version } });
        }

        /// The highest version that all members have announced.
        fn common(&self) -> ClusterVersion {
            let store = self.store.read();
            store.versions.common(store.members.keys().copied())
        }

        /// Checks that a start finds the same versions.
        async fn restart(self) {
            let (stop, before) = (CancellationToken::new(), self.store.read().versions.clone());
            stop.cancel();
            self.local.checkpointer(0).run(stop, |_| {}).await.unwrap();
            drop((self.machine, self.local));
            let local = LocalStore::open(self.disk, Arc::new(BootClock)).await.unwrap();
            assert_eq!(SharedStore::rebuild(StoreId(0), &local.reader(), usize::MAX).read().versions, before);
        }
    }

    #[tokio::test]
    async fn a_member_that_is_gone_or_has_a_new_data_directory_has_announced_nothing() {
        let mut applied = Applied::new().await;
        (1..=3).for_each(|member| applied.announce(member, member, LATER));
        assert_eq!(applied.common(), LATER);
        let (member, storage, from) = (MemberId(3), StorageId(30), Some(StorageId(3)));
        applied.apply(Command::TakeSeat { member, storage, from });
        assert_eq!(applied.common(), ClusterVersion::FIRST);
        applied.announce(3, 3, LATER);
        assert_eq!(applied.common(), ClusterVersion::FIRST, "the announcement of the lost data directory came late");
        applied.apply(Command::RemoveMember { member, from: Some(storage) });
        assert_eq!(applied.common(), LATER, "a removed member does not count");
        applied.restart().await;
    }

    #[tokio::test]
    async fn a_rise_is_ignored_while_a_member_has_announced_less() {
        let mut applied = Applied::new().await;
        (1..=3).for_each(|member| applied.announce(member, member, LATER));
        applied.announce(2, 2, ClusterVersion::FIRST);
        applied.apply(Command::RaiseVersion(LATER));
        assert_eq!(applied.store.version_now(), ClusterVersion::FIRST);
    }

    #[tokio::test]
    #[should_panic(expected = "this program understands versions up to")]
    async fn a_rise_above_what_this_build_understands_stops_the_node() {
        let mut applied = Applied::new().await;
        (1..=3).for_each(|member| applied.announce(member, member, LATER));
        applied.apply(Command::RaiseVersion(LATER));
    }
}
