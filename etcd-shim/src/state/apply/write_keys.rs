//! The changes that puts, deletes and compactions make to the store.

use bytes::Bytes;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::twins::{DeleteRangeResponse, PutResponse};

use super::writer::{FETCHED, Note, Writer};
use crate::state::answer::Answer;
use crate::state::effects::Effect;
use crate::state::error::EtcdError;
use crate::state::index::key_entry::{Live, Value};
use crate::state::index::key_value::{Fields, decode};
use crate::state::index::keys::Keys;
use crate::state::index::revision_key::RevisionKey;
use crate::state::rows;
use crate::state::store::Entered;

impl Writer<'_, '_> {
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

    pub(super) fn delete(&mut self, key: &[u8]) -> Option<Bytes> {
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
}
