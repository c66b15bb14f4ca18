//! [`History`]: how much of the past is kept.

use bytes::{BufMut, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};

/// How much of the past is kept, for reads at earlier versions and for subscriptions. It is part of the replicated
/// state, so all replicas forget the same changes at the same position. The changes of the last entry are always kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// At most this many changes are kept. What one commit does to one object is one change.
    pub changes_max: u64,
    /// At most this many bytes of changes are kept: what was written, and the earlier values that it replaced.
    pub bytes_max: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { changes_max: 1 << 16, bytes_max: 64 << 20 }
    }
}

impl History {
    pub(super) fn put(self, out: &mut BytesMut) {
        out.put_u64_le(self.changes_max);
        out.put_u64_le(self.bytes_max);
    }

    pub(super) fn read(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { changes_max: r.u64()?, bytes_max: r.u64()? })
    }
}
