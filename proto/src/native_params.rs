//! [`NativeParams`]: the parameters of a native loglet, which its provider and its sequencer read.

use bytes::{BufMut, BytesMut};

use crate::chain::{LogletKind, LogletParams};
use crate::codec::{DecodeError, Reader};
use crate::ids::{Boot, Incarnation, LogletId, StorageId};

/// The parameters of a native loglet: the sequencer that gives out its offsets, and the units that hold its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeParams {
    /// The loglet's only sequencer, for its whole life (safety rule 4).
    pub sequencer: Incarnation,
    /// The storage units that hold its cells, ascending.
    pub units: Vec<StorageId>,
    /// The number of units that must hold an append before it is acknowledged.
    pub write_quorum: u16,
}

impl NativeParams {
    /// The parameters of loglet `id` in the form that a chain holds.
    pub fn encode(&self, id: LogletId) -> LogletParams {
        let mut out = BytesMut::with_capacity(20 + 8 * self.units.len());
        out.put_u64_le(self.sequencer.storage.0);
        out.put_u64_le(self.sequencer.boot.0);
        out.put_u16_le(self.write_quorum);
        out.put_u16_le(u16::try_from(self.units.len()).expect("a loglet has few units"));
        for unit in &self.units {
            out.put_u64_le(unit.0);
        }
        LogletParams { id, kind: LogletKind::NATIVE, bytes: out.freeze() }
    }

    /// Decodes the result of [`Self::encode`]. Parameters of a loglet of another kind are an error.
    pub fn decode(params: &LogletParams) -> Result<NativeParams, DecodeError> {
        let mut r = Reader::new(params.bytes.clone(), "parameters of a native loglet");
        if !params.kind.is_native() {
            return Err(r.rule("cannot be read from a loglet of another kind"));
        }
        let sequencer = Incarnation { storage: StorageId(r.u64()?), boot: Boot(r.u64()?) };
        let write_quorum = r.u16()?;
        let units = (0..r.u16()?).map(|_| r.u64().map(StorageId)).collect::<Result<Vec<_>, _>>()?;
        if write_quorum == 0 || usize::from(write_quorum) > units.len() {
            return Err(r.rule("must have a write quorum of at least one unit and at most all units"));
        }
        r.end()?;
        Ok(NativeParams { sequencer, units, write_quorum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> NativeParams {
        let sequencer = Incarnation { storage: StorageId(1), boot: Boot(4) };
        NativeParams { sequencer, units: vec![StorageId(1), StorageId(2), StorageId(3)], write_quorum: 2 }
    }

    #[test]
    fn encoding_round_trips_and_damage_is_an_error() {
        let encoded = params().encode(LogletId::default());
        assert_eq!(NativeParams::decode(&encoded), Ok(params()));
        for cut in 0..encoded.bytes.len() {
            let bytes = encoded.bytes.slice(..cut);
            assert!(NativeParams::decode(&LogletParams { bytes, ..encoded.clone() }).is_err());
        }
    }

    #[test]
    fn what_is_no_native_loglet_is_an_error() {
        let encoded = params().encode(LogletId::default());
        assert!(NativeParams::decode(&LogletParams { kind: LogletKind::MEMORY, ..encoded }).is_err());
        for write_quorum in [0, 4] {
            let wrong = NativeParams { write_quorum, ..params() };
            assert!(NativeParams::decode(&wrong.encode(LogletId::default())).is_err());
        }
    }
}
