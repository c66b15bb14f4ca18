//! What the command [`Recover`] writes.

use naxos_proto::ids::MemberId;

use super::writer::{Note, Writer};
use crate::state::answer::Answer;
use crate::state::command::Recover;
use crate::state::lease::keeper::Keeper;
use crate::state::rows;
use crate::state::seats::Seats;

impl Writer<'_, '_> {
    /// Goes on with one member. Adds `revisions` to the revision, so that it is above every revision that the lost
    /// members may have given out. Compacts everything up to the new revision. A client that watches from an older
    /// revision is then told that this revision is compacted, and lists again.
    pub(super) fn recover(&mut self, Recover { member, storage, ended, revisions }: Recover) -> Answer {
        let id = self.store.id;
        let own = (MemberId(member.id), storage, true);
        let ended = ended.into_iter().map(|(member, storage)| (member, storage, false));
        for (member, storage, has_seat) in ended.chain([own]) {
            self.store.seats.note(storage, member, has_seat);
            self.rows.put(rows::seat(id, storage), Seats::row(member, has_seat));
        }
        for gone in self.store.members.keys().copied().filter(|one| *one != member.id).collect::<Vec<_>>() {
            self.forget_member(gone);
        }
        for (of, alarm) in self.store.alarms.iter().copied().filter(|(of, _)| *of != member.id).collect::<Vec<_>>() {
            self.rows.delete(rows::alarm(id, of, alarm));
            self.store.alarms.remove(&(of, alarm));
        }
        self.store_member(member);
        // A node becomes the keeper only under a loglet with a higher ordinal than that of the stored keeper. In the
        // new log the ordinals begin from the start again, so the stored keeper is reset.
        self.store.keeper = Keeper::default();
        self.notes.push(Note::Keeper(self.store.keeper));
        self.store.revision = self.store.revision.saturating_add_unsigned(revisions);
        self.store.compacted = self.store.revision;
        self.notes.push(Note::Compacted(self.store.revision));
        Answer::Done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use naxos_engines::LocalStore;
    use naxos_engines::batching::Application;
    use naxos_log_server::disk::RealDisk;
    use naxos_proto::etcd::server::etcdserverpb as pb;
    use naxos_proto::ids::{LogletId, Lsn, StorageId, StoreId};
    use naxos_proto::seams::BootClock;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::state::{Command, Machine, SharedStore};

    #[tokio::test]
    async fn a_recovered_store_has_one_member_and_a_higher_revision_after_a_start_too() {
        let folder = tempfile::tempdir().unwrap();
        let open = || async {
            LocalStore::open(Arc::new(RealDisk::new(folder.path()).unwrap()), Arc::new(BootClock)).await.unwrap()
        };
        let mut local = open().await;
        let reader = local.reader();
        let store = SharedStore::rebuild(StoreId(0), &reader, usize::MAX);
        let mut machine = Machine::new(Arc::clone(&store), reader.clone(), ());
        let member = |id: u64| pb::Member { id, name: format!("m{id}"), ..pb::Member::default() };
        let list = pb::MemberListResponse { header: None, members: [1, 2, 3].map(member).into() };
        let alarm = |member_id| pb::AlarmRequest { action: 1, member_id, alarm: 1 };
        let put = |key: &'static str| pb::PutRequest { key: key.into(), ..pb::PutRequest::default() };
        let commands = [
            Command::Begin(list),
            Command::Put(put("a")),
            Command::Put(put("a")),
            Command::Alarm(alarm(1)),
            Command::KeepLeases(Keeper {
                loglet: LogletId { ordinal: 9, ..LogletId::default() },
                storage: StorageId(1),
            }),
            Command::Alarm(alarm(2)),
            Command::Recover(Recover {
                member: member(3),
                storage: StorageId(33),
                ended: [(1, 10), (2, 20), (3, 30)].map(|(m, s)| (MemberId(m), StorageId(s))).into(),
                revisions: 1_000,
            }),
            Command::Put(put("b")),
        ];
        for (command, at) in commands.into_iter().zip(0..) {
            let mut txn = local.begin();
            machine.apply(&mut txn, Lsn(at), 0, command.encode(StoreId(0))).unwrap();
            machine.end_entry(&mut txn);
            txn.commit(Lsn(at + 1));
            machine.post_apply(Lsn(at));
        }
        let stop = CancellationToken::new();
        stop.cancel();
        local.checkpointer(0).run(stop, |_| {}).await.unwrap();
        for store in [store, SharedStore::rebuild(StoreId(0), &open().await.reader(), usize::MAX)] {
            let store = store.read();
            assert_eq!((store.revision, store.compacted), (1_004, 1_003));
            assert_eq!(store.members.keys().copied().collect::<Vec<_>>(), [3]);
            assert_eq!(store.removed.iter().copied().collect::<Vec<_>>(), [1, 2]);
            assert_eq!(store.keeper, Keeper::default(), "a keeper can begin under the first loglet of the new log");
            assert!(store.alarms.is_empty(), "the alarms of members that are gone are gone");
            let founders = [(3, 33)].map(|(member, storage)| (MemberId(member), StorageId(storage))).into();
            assert_eq!(store.seats.held(&founders), founders);
            let lost: Vec<_> = store.seats.lost().map(|(storage, _)| storage.0).collect();
            assert_eq!(lost, [10, 20, 30], "none of the earlier data directories counts again");
            assert_eq!(store.live(b"a").unwrap().at.main, 3, "a value keeps its revision");
        }
    }
}
