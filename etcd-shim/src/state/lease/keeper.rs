//! The keeper of leases: the one node whose clock decides when leases end.

use bytes::{BufMut, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::{LogId, LogletId, StorageId};

/// The keeper in office. Only a keeper under a loglet with a higher ordinal takes over. So a node that slept, and whose
/// command to take office arrives late, does not become the keeper again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeper {
    /// The loglet under which the keeper took office. It identifies the keeper's term of office: commands that end
    /// leases carry it.
    pub loglet: LogletId,
    /// The id of the data directory of the keeper's node.
    pub storage: StorageId,
}

/// Length of an encoded keeper in bytes.
pub(crate) const KEEPER_BYTES: usize = 32;

impl Keeper {
    /// Whether this keeper takes over from `incumbent`.
    pub(crate) fn succeeds(&self, incumbent: &Keeper) -> bool {
        self.loglet.ordinal > incumbent.loglet.ordinal
    }

    pub(crate) fn put(&self, out: &mut BytesMut) {
        put_loglet(out, self.loglet);
        out.put_u64_le(self.storage.0);
    }

    pub(crate) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { loglet: take_loglet(r)?, storage: StorageId(r.u64()?) })
    }
}

/// Writes a loglet's id: log, ordinal, nonce, each u64, little-endian.
pub(crate) fn put_loglet(out: &mut BytesMut, id: LogletId) {
    for n in [id.log.0, id.ordinal, id.nonce] {
        out.put_u64_le(n);
    }
}

/// Reads the bytes that [`put_loglet`] wrote.
pub(crate) fn take_loglet(r: &mut Reader) -> Result<LogletId, DecodeError> {
    Ok(LogletId { log: LogId(r.u64()?), ordinal: r.u64()?, nonce: r.u64()? })
}
