//! The header: what an entry says about the view. Most headers name the proposing server and the position to which it
//! would go back after a crash.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::{Lsn, StorageId};

const PERSISTED_FORMAT: u8 = 1;
const EDIT_FORMAT: u8 = 2;

/// What an entry says about the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The proposing server would go back to this position.
    Persisted(StorageId, Lsn),
    /// A server joins, or comes back, and will go on at this position or above it: the log is kept for it from there.
    Hold(StorageId, Lsn),
    /// The server leaves the view, if it is still at this position.
    Eject(StorageId, Lsn),
}

impl Told {
    pub(super) fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(18);
        let (storage, at) = match self {
            Told::Persisted(storage, at) => {
                out.put_u8(PERSISTED_FORMAT);
                (storage, at)
            }
            Told::Hold(storage, at) => {
                out.put_slice(&[EDIT_FORMAT, 1]);
                (storage, at)
            }
            Told::Eject(storage, at) => {
                out.put_slice(&[EDIT_FORMAT, 2]);
                (storage, at)
            }
        };
        out.put_u64_le(storage.0);
        out.put_u64_le(at.0);
        out.freeze()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let is_edit = bytes.first() == Some(&EDIT_FORMAT);
        let mut r = Reader::new(bytes, "view-tracking header");
        r.version(if is_edit { EDIT_FORMAT } else { PERSISTED_FORMAT })?;
        let kind = if is_edit { r.u8()? } else { 0 };
        let (storage, at) = (StorageId(r.u64()?), Lsn(r.u64()?));
        let told = match kind {
            0 if !is_edit => Told::Persisted(storage, at),
            1 => Told::Hold(storage, at),
            2 => Told::Eject(storage, at),
            _ => return Err(r.rule("names a kind that this build does not know")),
        };
        r.end()?;
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_unknown_kinds_are_refused() {
        for told in [
            Told::Persisted(StorageId(1), Lsn(2)),
            Told::Hold(StorageId(u64::MAX), Lsn(0)),
            Told::Eject(StorageId(3), Lsn(u64::MAX)),
        ] {
            assert_eq!(Told::decode(told.encode()), Ok(told));
            let mut longer = told.encode().to_vec();
            longer.push(0);
            assert!(Told::decode(longer.into()).is_err());
        }
        for kind in [0, 3, 255] {
            let mut bytes = Told::Hold(StorageId(1), Lsn(2)).encode().to_vec();
            bytes[1] = kind;
            assert!(Told::decode(bytes.into()).is_err(), "kind {kind}");
        }
        assert!(Told::decode(Bytes::new()).is_err());
        assert!(Told::decode(Bytes::from_static(&[3; 17])).is_err());
    }
}
