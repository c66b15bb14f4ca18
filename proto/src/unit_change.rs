//! [`UnitChange`]: other storage units for a loglet whose segment has ended.

use std::fmt;

use crate::chain::{LogletKind, LogletParams};
use crate::codec::{DecodeError, Reader};
use crate::corfu_params::CorfuParams;
use crate::ids::StorageId;
use crate::native_params::NativeParams;

/// A change of the units of one loglet whose segment has ended. The loglet's id, kind and sequencer stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitChange {
    /// Names one unit in the place of another.
    Replace {
        /// The unit that is not named any more.
        from: StorageId,
        /// The unit that is named in its place.
        to: StorageId,
    },
    /// Names fewer units.
    LeaveOut {
        /// The units that are not named any more.
        units: Vec<StorageId>,
        /// At least this many units must stay.
        units_min: usize,
    },
}

impl fmt::Display for UnitChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnitChange::Replace { from, to } => write!(f, "storage unit {to} instead of {from}"),
            UnitChange::LeaveOut { units, .. } => {
                let units: Vec<_> = units.iter().map(ToString::to_string).collect();
                write!(f, "without storage unit {}", units.join(", "))
            }
        }
    }
}

impl UnitChange {
    /// The parameters after the change. `None` if the change does not fit these parameters: they name none of the units
    /// that are to go, they name the new one already, or too few units would stay.
    ///
    /// The write quorum of a native loglet stays as it is if one unit replaces another. If units are left out, it is at
    /// most a majority of those that stay, so that a minority of silent units does not hold up a trim. A lower quorum
    /// does no harm: nobody counts acknowledgements of a segment that has ended, and the caller makes sure that each
    /// unit that stays holds every cell.
    pub fn of(&self, params: &LogletParams) -> Result<Option<LogletParams>, DecodeError> {
        match params.kind {
            kind if kind.is_native() => {
                let mut native = NativeParams::decode(params)?;
                let Some(mut units) = self.units(&native.units) else { return Ok(None) };
                units.sort_unstable();
                if units.len() < native.units.len() {
                    let majority = u16::try_from(units.len() / 2 + 1).expect("a loglet has few units");
                    native.write_quorum = native.write_quorum.min(majority);
                }
                native.units = units;
                Ok(Some(LogletParams { kind, ..native.encode(params.id) }))
            }
            LogletKind::CORFU => {
                let corfu = CorfuParams::decode(params)?;
                let units = self.units(&corfu.units);
                Ok(units.map(|units| CorfuParams { units, ..corfu }.encode(params.id)))
            }
            _ => Err(Reader::new(params.bytes.clone(), "parameters of a loglet").rule("name no storage units")),
        }
    }

    /// The units after the change, in the order from before.
    fn units(&self, before: &[StorageId]) -> Option<Vec<StorageId>> {
        match self {
            UnitChange::Replace { from, to } => {
                let fits = before.contains(from) && !before.contains(to);
                fits.then(|| before.iter().map(|unit| if unit == from { *to } else { *unit }).collect())
            }
            UnitChange::LeaveOut { units, units_min } => {
                let after: Vec<_> = before.iter().filter(|unit| !units.contains(unit)).copied().collect();
                let fits = after.len() < before.len() && after.len() >= (*units_min).max(1);
                fits.then_some(after)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::{Boot, Incarnation, LogletId};

    const SEQUENCER: Incarnation = Incarnation { storage: StorageId(1), boot: Boot(4) };
    const ID: LogletId = LogletId { log: crate::ids::LogId(7), ordinal: 3, nonce: 5 };

    fn ids(units: &[u64]) -> Vec<StorageId> {
        units.iter().copied().map(StorageId).collect()
    }

    fn native(units: &[u64], write_quorum: u16) -> LogletParams {
        NativeParams { sequencer: SEQUENCER, units: ids(units), write_quorum }.encode(ID)
    }

    fn corfu(units: &[u64]) -> LogletParams {
        CorfuParams { sequencer: SEQUENCER, units: ids(units) }.encode(ID)
    }

    fn replace(from: u64, to: u64) -> UnitChange {
        UnitChange::Replace { from: StorageId(from), to: StorageId(to) }
    }

    fn leave_out(units: &[u64], units_min: usize) -> UnitChange {
        UnitChange::LeaveOut { units: ids(units), units_min }
    }

    #[test]
    fn only_the_units_change() {
        assert_eq!(replace(3, 1).of(&native(&[2, 3, 4], 2)), Ok(Some(native(&[1, 2, 4], 2))), "ascending again");
        assert_eq!(leave_out(&[3], 2).of(&native(&[2, 3, 4], 2)), Ok(Some(native(&[2, 4], 2))));
        assert_eq!(leave_out(&[5, 3], 3).of(&native(&[1, 2, 3, 4, 5], 5)), Ok(Some(native(&[1, 2, 4], 2))));
        let next = LogletParams { kind: LogletKind::NEXT, ..native(&[2, 3], 2) };
        let changed = replace(3, 9).of(&next);
        assert_eq!(changed.is_ok(), next.kind.is_native(), "only the next release knows this kind: {changed:?}");
        assert!(changed.is_err() || changed.unwrap().is_some_and(|params| params.kind == LogletKind::NEXT));
    }

    #[test]
    fn the_units_of_a_corfu_loglet_keep_their_order() {
        assert_eq!(replace(3, 9).of(&corfu(&[3, 1, 2])), Ok(Some(corfu(&[9, 1, 2]))));
        assert_eq!(leave_out(&[1], 1).of(&corfu(&[3, 1, 2])), Ok(Some(corfu(&[3, 2]))));
    }

    #[test]
    fn a_change_that_does_not_fit_is_none() {
        for params in [native(&[1, 2], 2), corfu(&[1, 2])] {
            assert_eq!(replace(7, 9).of(&params), Ok(None), "it is not named");
            assert_eq!(replace(1, 2).of(&params), Ok(None), "a unit is named once");
            assert_eq!(leave_out(&[7], 1).of(&params), Ok(None), "it is not named");
            assert_eq!(leave_out(&[1], 2).of(&params), Ok(None), "too few would stay");
            assert_eq!(leave_out(&[1, 2], 0).of(&params), Ok(None), "one unit stays at least");
        }
        let memory = LogletParams { kind: LogletKind::MEMORY, bytes: Bytes::new(), ..native(&[1], 1) };
        assert!(replace(1, 2).of(&memory).is_err());
    }
}
