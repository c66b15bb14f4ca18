//! [`Writer`]: the changes that one command makes to the key space and to its rows.

use bytes::Bytes;
use naxos_engines::Txn;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::alarm_request::AlarmAction;
use naxos_proto::etcd::twins::{DeleteRangeResponse, PutResponse};
use prost::Message;

use super::answer::Answer;
use super::effects::{Effect, Effects};
use super::error::EtcdError;
use super::fetched_rows::ApplyRows;
use super::keeper::Keeper;
use super::key_entry::{Live, Value};
use super::key_value::{Fields, decode};
use super::keys::Keys;
use super::revision_key::RevisionKey;
use super::rows;
use super::store::{Entered, Lease, Store};

/// The message of the panic if a value is missing. None can be missing, because those that are not in memory are
/// fetched before the key space is locked.
pub(super) const FETCHED: &str = "the values that a command needs were fetched before it";

/// Something to tell the listener after the commit.
pub(super) enum Note {
    Granted(i64, i64),
    Ended(i64),
    Keeper(Keeper),
    Compacted(i64),
}

/// One command while it changes the store.
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

impl<'a, 'b> Writer<'a, 'b> {
    /// Begins a command.
    pub(super) fn new(
        store: &'a mut Store,
        rows: &'a mut Txn<'b>,
        fetched: ApplyRows<'a>,
        notes: &'a mut Vec<Note>,
    ) -> Self {
        Self { base: store.revision, sub: 0, effects: Vec::new(), notes, fetched, rows, store }
    }

    /// Ends the command. Returns its changes; `None` if it changed nothing, and so took no revision.
    pub(super) fn finish(self) -> Option<Effects> {
        if self.effects.is_empty() {
            return None;
        }
        self.store.revision = self.base + 1;
        Some(Effects { store: self.store.id, revision: self.store.revision, changes: self.effects })
    }

    /// The revision that an answer's header shows at this point of the command.
    pub(crate) fn revision(&self) -> i64 {
        if self.sub > 0 { self.base + 1 } else { self.base }
    }

    fn header(&self) -> Option<pb::ResponseHeader> {
        Some(pb::ResponseHeader { revision: self.revision(), ..Default::default() })
    }

    /// Puts a key. The caller has already checked the request's lease.
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
        // As in etcd, the event of a creation has no previous value, whatever else the transaction did to the key.
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
        // The row holds the key only; the event for watchers also has the revision.
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

    /// For a key that this command has already changed: its value before the command. Watchers get that as the previous
    /// value.
    fn before_command(&self, key: &[u8]) -> Option<Bytes> {
        self.effects.iter().find(|e| e.key == key)?.prev_kv.clone()
    }

    /// Makes `keeper` the keeper of leases, if it may replace the present one.
    pub(super) fn keep_leases(&mut self, keeper: Keeper) {
        if keeper.succeeds(&self.store.keeper) {
            self.store.keeper = keeper;
            self.notes.push(Note::Keeper(keeper));
        }
    }

    pub(super) fn compact(&mut self, revision: i64) -> Result<Answer, EtcdError> {
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

    pub(super) fn grant(&mut self, r: &pb::LeaseGrantRequest) -> Result<Answer, EtcdError> {
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

    /// Ends a lease: deletes its keys at one revision, in key order.
    pub(super) fn revoke(&mut self, id: i64) -> Result<Answer, EtcdError> {
        let lease = self.store.leases.get(&id).ok_or(EtcdError::LeaseNotFound)?;
        for key in lease.keys.clone() {
            self.delete(&key);
        }
        self.store.leases.remove(&id);
        self.rows.delete(rows::lease(self.store.id, id));
        self.notes.push(Note::Ended(id));
        Ok(Answer::Done)
    }

    /// Stores a member's name and client URLs.
    pub(super) fn publish(&mut self, told: pb::Member) -> Result<Answer, EtcdError> {
        let member = match self.store.members.get(&told.id) {
            // The other fields (peer URLs, learner or not) are not taken from this command: only the calls that change
            // the membership set them.
            Some(known) => pb::Member { name: told.name, client_ur_ls: told.client_ur_ls, ..known.clone() },
            None if self.store.members.is_empty() => told,
            // The member was removed while this command was on its way.
            None => return Err(EtcdError::MemberNotFound),
        };
        self.rows.put(rows::member(self.store.id, member.id), member.encode_to_vec().into());
        self.store.members.insert(member.id, member);
        Ok(Answer::Done)
    }

    pub(super) fn alarm(&mut self, r: &pb::AlarmRequest) -> Answer {
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
