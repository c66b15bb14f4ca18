//! What the commands about leases write.

use bytes::Bytes;
use naxos_proto::etcd::server::etcdserverpb as pb;

use super::writer::{Note, Writer};
use crate::state::answer::Answer;
use crate::state::error::EtcdError;
use crate::state::lease::Lease;
use crate::state::lease::keeper::Keeper;
use crate::state::rows;

impl Writer<'_, '_> {
    /// Makes `keeper` the keeper of leases, if it may replace the present one.
    pub(super) fn keep_leases(&mut self, keeper: Keeper) {
        if keeper.succeeds(&self.store.keeper) {
            self.store.keeper = keeper;
            self.notes.push(Note::Keeper(keeper));
        }
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
}
