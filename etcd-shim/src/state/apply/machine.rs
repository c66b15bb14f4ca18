//! Applies commands. The result depends on the log alone (docs/design.md, section 7, rule 9). So apply uses ordered
//! maps and integers, and neither a clock nor random numbers.
//!
//! The store's write lock is taken and released for each command, so a reader waits for one command at most. A command
//! is checked before it writes: a refused command changes nothing.

use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::batching::Application;
use naxos_engines::{StoreReader, Txn};
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::ids::{Lsn, StoreId};

use super::guests::Guests;
use super::txn;
use super::writer::{FETCHED, Note, Writer};
use crate::state::answer::{Answer, Outcome};
use crate::state::command::Command;
use crate::state::effects::Effects;
use crate::state::error::EtcdError;
use crate::state::kv::fetched_rows::ApplyRows;
use crate::state::kv::needed_rows::fetch_for;
use crate::state::kv::txn_check::check;
use crate::state::kv::txn_path::Path;
use crate::state::kv::validate;
use crate::state::lease::keeper::Keeper;
use crate::state::rows;
use crate::state::store::SharedStore;

/// Receives, after the commit of each entry, what the entry changed.
pub trait Listener: Send + 'static {
    /// The effects of one entry, in order. The store already contains these changes. Must not block.
    fn effects(&mut self, effects: Arc<Vec<Effects>>);
    /// A lease was granted.
    fn lease_granted(&mut self, id: i64, ttl: i64);
    /// A lease ended.
    fn lease_ended(&mut self, id: i64);
    /// `keeper` became the keeper of leases. All leases get their full time-to-live again, unless the same node was the
    /// keeper before.
    fn keeper(&mut self, keeper: Keeper);
    /// The store was compacted at this revision.
    fn compacted(&mut self, revision: i64);
}

/// For a machine without watches and without a clock: ignores everything.
impl Listener for () {
    fn effects(&mut self, _: Arc<Vec<Effects>>) {}
    fn lease_granted(&mut self, _: i64, _: i64) {}
    fn lease_ended(&mut self, _: i64) {}
    fn keeper(&mut self, _: Keeper) {}
    fn compacted(&mut self, _: i64) {}
}

/// See the module.
pub struct Machine<L> {
    store: Arc<SharedStore>,
    reader: StoreReader,
    listener: L,
    effects: Vec<Effects>,
    /// The effects of the committed entry; the listener gets them after the callers have got their replies.
    to_tell: Vec<Effects>,
    notes: Vec<Note>,
    changed: bool,
    guests: Guests,
}

impl<L: Listener> Machine<L> {
    /// The machine over a store that was rebuilt from its rows.
    pub fn new(store: Arc<SharedStore>, reader: StoreReader, listener: L) -> Self {
        let (effects, to_tell, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { store, reader, listener, effects, to_tell, notes, changed: false, guests: Guests::default() }
    }

    /// As this machine, with other state machines beside it.
    pub(crate) fn beside(self, guests: Guests) -> Self {
        Self { guests, ..self }
    }

    /// The store's revision, for a command that does not change it. While the alarm CORRUPT is on, the command is
    /// refused.
    fn revision_for_guests(&self) -> Result<i64, EtcdError> {
        let store = self.store.read();
        if store.is_corrupt() { Err(EtcdError::Corrupt) } else { Ok(store.revision) }
    }

    fn run(&mut self, rows: &mut Txn<'_>, command: Command) -> Outcome {
        let shared = Arc::clone(&self.store);
        // Keys are put and deleted only here, one command at a time. The janitor drops only rows that a compaction
        // freed. So the rows that are fetched now are those that the command will need.
        let fetched = ApplyRows { fetched: fetch_for(&shared, &self.reader, &command), reader: &self.reader };
        let mut store = shared.write();
        let mut writer = Writer::new(&mut store, rows, fetched, &mut self.notes);
        let answer = carry_out(&mut writer, command);
        if let Some(effects) = writer.finish() {
            self.effects.push(effects);
        }
        store.keep_within();
        self.changed = true;
        answer.map(|a| (a, store.revision))
    }
}

impl<L: Listener> Application for Machine<L> {
    type Output = Outcome;

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, index: u32, command: Bytes) -> Outcome {
        let (store, command) = Command::decode(command)
            .unwrap_or_else(|e| panic!("command {index} of the entry at {lsn} cannot be applied: {e}"));
        assert_eq!(store, StoreId(0), "this release keeps one store");
        match command {
            Command::Own(command) => {
                let revision = self.revision_for_guests()?;
                Ok((Answer::Own(self.guests.apply_own(txn, lsn, index, &command)), revision))
            }
            Command::Objects(command) => {
                let revision = self.revision_for_guests()?;
                Ok((Answer::Objects(self.guests.apply_objects(txn, lsn, index, command)), revision))
            }
            command => self.run(txn, command),
        }
    }

    fn is_free(&self) -> bool {
        self.store.is_free()
    }

    fn end_entry(&mut self, txn: &mut Txn<'_>) {
        if std::mem::take(&mut self.changed) {
            let store = self.store.read();
            self.store.note_used_bytes(&store);
            txn.put(rows::state(store.id), store.counters().encode());
        }
        self.guests.end_entry(txn);
    }

    fn post_apply(&mut self, lsn: Lsn) {
        self.guests.post_apply(lsn);
        self.to_tell.append(&mut self.effects);
        for note in self.notes.drain(..) {
            match note {
                Note::Granted(id, ttl) => self.listener.lease_granted(id, ttl),
                Note::Ended(id) => self.listener.lease_ended(id),
                Note::Keeper(keeper) => self.listener.keeper(keeper),
                Note::Compacted(revision) => self.listener.compacted(revision),
                Note::Membership => self.store.note_membership(),
                Note::Version(version) => self.store.note_version(version),
            }
        }
    }

    fn after_replies(&mut self) {
        self.guests.after_replies();
        if !self.to_tell.is_empty() {
            self.listener.effects(Arc::new(std::mem::take(&mut self.to_tell)));
        }
    }
}

/// Carries out a command, or refuses it before it has written anything.
fn carry_out(writer: &mut Writer<'_, '_>, command: Command) -> Result<Answer, EtcdError> {
    let full = writer.store.alarms.iter().any(|(_, alarm)| *alarm == pb::AlarmType::Nospace as i32);
    let corrupt = writer.store.is_corrupt();
    match command {
        Command::Alarm(r) => Ok(writer.alarm(&r)),
        Command::Publish(member) => writer.publish(member),
        Command::Begin(list) => Ok(writer.begin_members(list.members)),
        Command::TakeSeat { member, storage, from } => writer.take_seat(member, storage, from),
        Command::AddMember { member, learners_max } => writer.add_member(member, learners_max),
        Command::RemoveMember { member, from } => writer.remove_member(member, from),
        Command::UpdateMember(r) => writer.update_member(r),
        Command::PromoteMember(r) => writer.promote_member(r.id),
        Command::Recover(recover) => Ok(writer.recover(recover)),
        Command::Announce { member, announced } => writer.announce(member, announced),
        Command::RaiseVersion(version) => Ok(writer.raise_version(version)),
        Command::KeepLeases(keeper) => {
            writer.keep_leases(keeper);
            Ok(Answer::Done)
        }
        _ if corrupt => Err(EtcdError::Corrupt),
        Command::Put(_) | Command::LeaseGrant(_) if full => Err(EtcdError::NoSpace),
        Command::Txn(r) if full && validate::puts_something(&r) => Err(EtcdError::NoSpace),
        Command::Put(r) => {
            if r.lease != 0 && !writer.store.leases.contains_key(&r.lease) {
                return Err(EtcdError::LeaseNotFound);
            }
            writer.put(&r).map(Answer::Put)
        }
        Command::DeleteRange(r) => Ok(Answer::DeleteRange(writer.delete_range(&r))),
        Command::Txn(r) => {
            let path = Path::of(writer.store, &r, &writer.fetched).expect(FETCHED);
            check(writer.store, &r, &path)?;
            txn::execute(writer, &r, &path).map(Answer::Txn)
        }
        Command::Compact(r) => writer.compact(r.revision),
        Command::LeaseGrant(r) => writer.grant(&r),
        Command::LeaseRevoke(r) => writer.revoke(r.id),
        Command::Own(_) | Command::Objects(_) => unreachable!("these are not for etcd's state machine"),
        Command::LeaseExpire { id, office } => {
            // A keeper that was replaced while it slept may not end leases any more.
            if office == writer.store.keeper.loglet { writer.revoke(id) } else { Ok(Answer::Done) }
        }
    }
}
