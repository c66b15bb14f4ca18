//! Applies commands. A function of the log (safety rule 9): ordered maps, integers, no clock, no randomness.
//!
//! Each command takes the store's write lock for itself, so readers wait for one command at most. A command is checked
//! before it writes: one that is refused leaves no trace.

use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::batching::Application;
use naxos_engines::{StoreReader, Txn};
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::alarm_request::AlarmAction;
use naxos_proto::etcd::twins::{DeleteRangeResponse, PutResponse};
use naxos_proto::ids::{Lsn, StoreId};
use prost::Message;

use super::command::Command;
use super::effects::{Effect, Effects};
use super::error::EtcdError;
use super::keeper::Keeper;
use super::key_entry::{Live, RevisionKey, Value};
use super::key_value::{Fields, decode};
use super::needed_rows::fetch_for;
use super::range::Keys;
use super::row_source::ApplyRows;
use super::rows;
use super::store::{Entered, Lease, SharedStore, Store};
use super::txn;
use super::validate;

/// What a command yields.
#[derive(Debug)]
pub enum Answer {
    /// Of Put.
    Put(PutResponse),
    /// Of DeleteRange.
    DeleteRange(DeleteRangeResponse),
    /// Of Txn.
    Txn(pb::TxnResponse),
    /// Of everything whose answer is a header alone.
    Done,
    /// Of LeaseGrant.
    Granted(pb::LeaseGrantResponse),
    /// Of Alarm.
    Alarms(Vec<pb::AlarmMember>),
}

/// A command's answer and the store's revision after it, or why it was refused.
pub type Outcome = Result<(Answer, i64), EtcdError>;

/// Who is told of what was applied, after the commit.
pub trait Listener: Send + 'static {
    /// The effects of one entry, in order, once they can be read. Must not block.
    fn effects(&mut self, effects: Arc<Vec<Effects>>);
    /// A lease was granted.
    fn lease_granted(&mut self, id: i64, ttl: i64);
    /// A lease ended.
    fn lease_ended(&mut self, id: i64);
    /// This keeper took office: all time-to-lives start afresh.
    fn keeper(&mut self, keeper: Keeper);
    /// The log below this revision may be dropped.
    fn compacted(&mut self, revision: i64);
}

/// Why no value is missing under the lock.
const FETCHED: &str = "the values that a command needs were fetched before it";

/// A note to the listener.
enum Note {
    Granted(i64, i64),
    Ended(i64),
    Keeper(Keeper),
    Compacted(i64),
}

/// See the module.
pub struct Machine<L> {
    store: Arc<SharedStore>,
    reader: StoreReader,
    listener: L,
    effects: Vec<Effects>,
    /// Effects of the entry that was committed, until its callers have their replies.
    to_tell: Vec<Effects>,
    notes: Vec<Note>,
    changed: bool,
}

impl<L: Listener> Machine<L> {
    /// The machine over a store that was rebuilt from its rows.
    pub fn new(store: Arc<SharedStore>, reader: StoreReader, listener: L) -> Self {
        let (effects, to_tell, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { store, reader, listener, effects, to_tell, notes, changed: false }
    }

    fn run(&mut self, rows: &mut Txn<'_>, command: Command) -> Outcome {
        let shared = Arc::clone(&self.store);
        // No other thread changes the key space, so these are the rows that the command will need.
        let fetched = ApplyRows { fetched: fetch_for(&shared, &self.reader, &command), reader: &self.reader };
        let mut store = shared.write();
        let mut writer = Writer {
            fetched,
            base: store.revision,
            sub: 0,
            effects: Vec::new(),
            notes: &mut self.notes,
            rows,
            store: &mut store,
        };
        let answer = writer.run(command);
        let Writer { effects, base, .. } = writer;
        if !effects.is_empty() {
            store.revision = base + 1;
            self.effects.push(Effects { store: store.id, revision: store.revision, changes: effects });
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
        self.run(txn, command)
    }

    fn end_entry(&mut self, txn: &mut Txn<'_>) {
        if std::mem::take(&mut self.changed) {
            let store = self.store.read();
            self.store.note_used_bytes(&store);
            txn.put(rows::state(store.id), store.counters().encode());
        }
    }

    fn post_apply(&mut self, _: Lsn) {
        self.to_tell.append(&mut self.effects);
        for note in self.notes.drain(..) {
            match note {
                Note::Granted(id, ttl) => self.listener.lease_granted(id, ttl),
                Note::Ended(id) => self.listener.lease_ended(id),
                Note::Keeper(keeper) => self.listener.keeper(keeper),
                Note::Compacted(revision) => self.listener.compacted(revision),
            }
        }
    }

    fn after_replies(&mut self) {
        if !self.to_tell.is_empty() {
            self.listener.effects(Arc::new(std::mem::take(&mut self.to_tell)));
        }
    }
}

/// One command on its way through the store.
pub(crate) struct Writer<'a, 'b> {
    pub(crate) store: &'a mut Store,
    rows: &'a mut Txn<'b>,
    /// The rows that the command needs.
    pub(crate) fetched: ApplyRows<'a>,
    /// The store's revision before the command.
    base: i64,
    sub: u32,
    effects: Vec<Effect>,
    notes: &'a mut Vec<Note>,
}

impl Writer<'_, '_> {
    /// The revision that a header shows now.
    pub(crate) fn revision(&self) -> i64 {
        if self.sub > 0 { self.base + 1 } else { self.base }
    }

    fn header(&self) -> Option<pb::ResponseHeader> {
        Some(pb::ResponseHeader { revision: self.revision(), ..Default::default() })
    }

    fn run(&mut self, command: Command) -> Result<Answer, EtcdError> {
        let full = self.store.alarms.iter().any(|(_, alarm)| *alarm == pb::AlarmType::Nospace as i32);
        let corrupt = self.store.alarms.iter().any(|(_, alarm)| *alarm == pb::AlarmType::Corrupt as i32);
        match command {
            Command::Alarm(r) => Ok(self.alarm(&r)),
            Command::Publish(member) => self.publish(member),
            Command::KeepLeases(keeper) => {
                if keeper.succeeds(&self.store.keeper) {
                    self.store.keeper = keeper;
                    self.notes.push(Note::Keeper(keeper));
                }
                Ok(Answer::Done)
            }
            _ if corrupt => Err(EtcdError::Corrupt),
            Command::Put(_) | Command::LeaseGrant(_) if full => Err(EtcdError::NoSpace),
            Command::Txn(r) if full && validate::puts_something(&r) => Err(EtcdError::NoSpace),
            Command::Put(r) => {
                if r.lease != 0 && !self.store.leases.contains_key(&r.lease) {
                    return Err(EtcdError::LeaseNotFound);
                }
                self.put(&r).map(Answer::Put)
            }
            Command::DeleteRange(r) => Ok(Answer::DeleteRange(self.delete_range(&r))),
            Command::Txn(r) => {
                let path = txn::Path::of(self.store, &r, &self.fetched).expect(FETCHED);
                txn::check(self.store, &r, &path)?;
                txn::execute(self, &r, &path).map(Answer::Txn)
            }
            Command::Compact(r) => self.compact(r.revision),
            Command::LeaseGrant(r) => self.grant(&r),
            Command::LeaseRevoke(r) => self.revoke(r.id),
            Command::LeaseExpire { id, office } => {
                // A keeper that slept through its successor's inauguration has no say any more.
                if office == self.store.keeper.loglet { self.revoke(id) } else { Ok(Answer::Done) }
            }
        }
    }

    /// Puts a key; the request's lease has been checked.
    pub(crate) fn put(&mut self, r: &pb::PutRequest) -> Result<PutResponse, EtcdError> {
        let (base, at) = (self.base, RevisionKey { main: self.base + 1, sub: self.sub });
        let (id, fetched) = (self.store.id, &self.fetched);
        let (mut prev_kv, mut new) = (None, (Bytes::new(), 0, 0));
        let Entered { key, old } = self.store.put(&r.key, |old| {
            if (r.ignore_value || r.ignore_lease) && old.is_none() {
                return Err(EtcdError::KeyNotFound);
            }
            let (create, version, old_lease) = old.map_or((at.main, 1, 0), |l| (l.create, l.version + 1, l.lease));
            prev_kv = old.map(|l| l.encoded(id, fetched).expect(FETCHED));
            let kept = prev_kv.as_ref().filter(|_| r.ignore_value).map(|p| decode(p).value);
            let value: &[u8] = kept.as_ref().unwrap_or(&r.value);
            let lease = if r.ignore_lease { old_lease } else { r.lease };
            let encoded = Fields { key: &r.key, create, modified: at.main, version, value, lease }.encode();
            new = (encoded.clone(), create, lease);
            Ok(Live { at, create, version, lease, value: Value::Resident(encoded) })
        })?;
        let (encoded, create, lease) = new;
        self.sub += 1;
        self.rows.put(rows::key_value(id, at, false), encoded.clone());
        let old_lease = old.as_ref().map_or(0, |l| l.lease);
        if old_lease != lease {
            self.detach(old_lease, &key);
            if let Some(lease) = self.store.leases.get_mut(&lease) {
                lease.keys.insert(key.clone());
            }
        }
        let touched = old.as_ref().is_some_and(|l| l.at.main > base);
        let answered = prev_kv.clone().filter(|_| r.prev_kv);
        // A key that began at this revision had nothing before, whatever else the transaction did to it.
        let before = match (create == at.main, touched) {
            (true, _) => None,
            (false, true) => self.before_command(&key),
            (false, false) => prev_kv,
        };
        self.effects.push(Effect::new(key, false, encoded, before));
        Ok(PutResponse { header: self.header(), prev_kv: answered })
    }

    fn detach(&mut self, lease: i64, key: &[u8]) {
        if let Some(lease) = self.store.leases.get_mut(&lease) {
            lease.keys.remove(key);
        }
    }

    /// Deletes a range, in key order.
    pub(crate) fn delete_range(&mut self, r: &pb::DeleteRangeRequest) -> DeleteRangeResponse {
        let mut dying = Vec::new();
        match Keys::new(&r.key, &r.range_end) {
            Keys::One(key) => dying.extend(self.store.live(key).map(|_| r.key.clone())),
            Keys::Range(from, below) => self.store.keys.visit(from, below, |entry| {
                dying.extend(entry.live.as_ref().map(|_| entry.key.clone()));
                std::ops::ControlFlow::Continue(())
            }),
        }
        let mut prev_kvs = Vec::new();
        for key in &dying {
            let prev = self.delete(key);
            if r.prev_kv {
                prev_kvs.extend(prev);
            }
        }
        let deleted = i64::try_from(dying.len()).expect("memory holds fewer keys");
        DeleteRangeResponse { header: self.header(), deleted, prev_kvs }
    }

    fn delete(&mut self, key: &[u8]) -> Option<Bytes> {
        let at = RevisionKey { main: self.base + 1, sub: self.sub };
        // The row holds the key alone; watchers see the revision too.
        let row = Fields { key, ..Default::default() }.encode();
        let (key, old) = self.store.delete(key, at, &row)?;
        self.sub += 1;
        let told = Fields { key: &key, modified: at.main, ..Default::default() }.encode();
        self.rows.put(rows::key_value(self.store.id, at, true), row);
        self.detach(old.lease, &key);
        let prev_kv = old.encoded(self.store.id, &self.fetched).expect(FETCHED);
        let touched = old.at.main > self.base;
        let before = if touched { self.before_command(&key) } else { Some(prev_kv.clone()) };
        self.effects.push(Effect::new(key, true, told, before));
        Some(prev_kv)
    }

    /// The value before the command of a key that the command has touched: what watchers see as the one before.
    fn before_command(&self, key: &[u8]) -> Option<Bytes> {
        self.effects.iter().find(|e| e.key == key)?.prev_kv.clone()
    }

    fn compact(&mut self, revision: i64) -> Result<Answer, EtcdError> {
        if revision <= self.store.compacted {
            return Err(EtcdError::Compacted);
        }
        if revision > self.store.revision {
            return Err(EtcdError::FutureRevision);
        }
        self.store.compacted = revision;
        self.notes.push(Note::Compacted(revision));
        Ok(Answer::Done)
    }

    fn grant(&mut self, r: &pb::LeaseGrantRequest) -> Result<Answer, EtcdError> {
        if self.store.leases.contains_key(&r.id) {
            return Err(EtcdError::LeaseExists);
        }
        self.store.leases.insert(r.id, Lease { ttl: r.ttl, ..Lease::default() });
        self.rows.put(rows::lease(self.store.id, r.id), Bytes::copy_from_slice(&r.ttl.to_le_bytes()));
        self.notes.push(Note::Granted(r.id, r.ttl));
        Ok(Answer::Granted(pb::LeaseGrantResponse {
            header: self.header(),
            id: r.id,
            ttl: r.ttl,
            error: String::new(),
        }))
    }

    /// Ends a lease: its keys go at one revision, in key order.
    fn revoke(&mut self, id: i64) -> Result<Answer, EtcdError> {
        let lease = self.store.leases.get(&id).ok_or(EtcdError::LeaseNotFound)?;
        for key in lease.keys.clone() {
            self.delete(&key);
        }
        self.store.leases.remove(&id);
        self.rows.delete(rows::lease(self.store.id, id));
        self.notes.push(Note::Ended(id));
        Ok(Answer::Done)
    }

    /// Takes note of a member's name and client URLs.
    fn publish(&mut self, told: pb::Member) -> Result<Answer, EtcdError> {
        let member = match self.store.members.get(&told.id) {
            // Whether it is a learner and where its peers reach it is changed by the calls that are made for it.
            Some(known) => pb::Member { name: told.name, client_ur_ls: told.client_ur_ls, ..known.clone() },
            None if self.store.members.is_empty() => told,
            // It was removed while this was on its way.
            None => return Err(EtcdError::MemberNotFound),
        };
        self.rows.put(rows::member(self.store.id, member.id), member.encode_to_vec().into());
        self.store.members.insert(member.id, member);
        Ok(Answer::Done)
    }

    fn alarm(&mut self, r: &pb::AlarmRequest) -> Answer {
        let store = self.store.id;
        let (alarm, row) = ((r.member_id, r.alarm), rows::alarm(store, r.member_id, r.alarm));
        let is_meant = if r.action == AlarmAction::Activate as i32 {
            let is_one = r.alarm != pb::AlarmType::None as i32;
            if is_one && self.store.alarms.insert(alarm) {
                self.rows.put(row, Bytes::new());
            }
            is_one
        } else {
            let was_on = r.action == AlarmAction::Deactivate as i32 && self.store.alarms.remove(&alarm);
            if was_on {
                self.rows.delete(row);
            }
            was_on
        };
        let answered = is_meant.then_some(pb::AlarmMember { member_id: r.member_id, alarm: r.alarm });
        Answer::Alarms(answered.into_iter().collect())
    }
}
