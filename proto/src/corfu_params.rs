//! [`CorfuParams`]: the parameters of a Corfu loglet, which its provider and its sequencer read.

use bytes::{BufMut, BytesMut};

use crate::chain::{LogletKind, LogletParams};
use crate::codec::{DecodeError, Reader};
use crate::ids::{Boot, Incarnation, LogletId, StorageId};

/// The parameters of a Corfu loglet: the sequencer that gives out its offsets, and the chain of units that hold its
/// cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorfuParams {
    /// The loglet's only sequencer, for its whole life (safety rule 4).
    pub sequencer: Incarnation,
    /// The storage units that hold its cells, in the order in which every client writes to them. The first one decides
    /// which value an offset has. An append is acknowledged when the last one has it.
    pub units: Vec<StorageId>,
}

impl CorfuParams {
    /// The parameters of loglet `id` in the form that the chain of loglets holds.
    pub fn encode(&self, id: LogletId) -> LogletParams {
        let mut out = BytesMut::with_capacity(18 + 8 * self.units.len());
        out.put_u64_le(self.sequencer.storage.0);
        out.put_u64_le(self.sequencer.boot.0);
        out.put_u16_le(u16::try_from(self.units.len()).expect("a loglet has few units"));
        for unit in &self.units {
            out.put_u64_le(unit.0);
        }
        LogletParams { id, kind: LogletKind::CORFU, bytes: out.freeze() }
    }

    /// Decodes the result of [`Self::encode`]. Parameters of a loglet of another kind are an error.
    pub fn decode(params: &LogletParams) -> Result<CorfuParams, DecodeError> {
        let mut r = Reader::new(params.bytes.clone(), "parameters of a Corfu loglet");
        if params.kind != LogletKind::CORFU {
            return Err(r.rule("cannot be read from a loglet of another kind"));
        }
        let sequencer = Incarnation { storage: StorageId(r.u64()?), boot: Boot(r.u64()?) };
        let units = (0..r.u16()?).map(|_| r.u64().map(StorageId)).collect::<Result<Vec<_>, _>>()?;
        if units.is_empty() {
            return Err(r.rule("must have a chain of at least one unit"));
        }
        // A unit that came twice would answer for two, and one death would break the chain in two places.
        if units.iter().enumerate().any(|(n, unit)| units[..n].contains(unit)) {
            return Err(r.rule("must not have a unit twice in its chain"));
        }
        r.end()?;
        Ok(CorfuParams { sequencer, units })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> CorfuParams {
        let sequencer = Incarnation { storage: StorageId(1), boot: Boot(4) };
        CorfuParams { sequencer, units: vec![StorageId(2), StorageId(1), StorageId(3)] }
    }

    #[test]
    fn encoding_round_trips_and_damage_is_an_error() {
        let encoded = params().encode(LogletId::default());
        assert_eq!(CorfuParams::decode(&encoded), Ok(params()), "the order of the chain is kept");
        for cut in 0..encoded.bytes.len() {
            let bytes = encoded.bytes.slice(..cut);
            assert!(CorfuParams::decode(&LogletParams { bytes, ..encoded.clone() }).is_err());
        }
    }

    #[test]
    fn what_is_no_corfu_loglet_is_an_error() {
        let encoded = params().encode(LogletId::default());
        assert!(CorfuParams::decode(&LogletParams { kind: LogletKind::NATIVE, ..encoded }).is_err());
        for units in [vec![], vec![StorageId(1), StorageId(2), StorageId(1)]] {
            let wrong = CorfuParams { units, ..params() };
            assert!(CorfuParams::decode(&wrong.encode(LogletId::default())).is_err());
        }
    }
}
