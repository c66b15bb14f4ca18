//! [`LogletRoles`]: which processes a loglet depends on, whatever its kind.

use crate::chain::{LogletKind, LogletParams};
use crate::codec::{DecodeError, Reader};
use crate::corfu_params::CorfuParams;
use crate::ids::{Incarnation, StorageId};
use crate::native_params::NativeParams;

/// The processes that a loglet depends on. Code that watches over a log, or shows a log, reads them here. So this code
/// need not know how each kind of loglet works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogletRoles {
    /// The loglet's only sequencer.
    pub sequencer: Incarnation,
    /// The storage units that hold its cells, in the order of the parameters.
    pub units: Vec<StorageId>,
    /// The number of units that must hold an append before it is acknowledged.
    pub write_quorum: usize,
}

impl LogletRoles {
    /// The roles that these parameters name. An error if they do not decode, or if a loglet of that kind has no
    /// sequencer or units, or if this build does not know the kind.
    pub fn of(params: &LogletParams) -> Result<LogletRoles, DecodeError> {
        match params.kind {
            kind if kind.is_native() => NativeParams::decode(params).map(LogletRoles::from),
            LogletKind::CORFU => CorfuParams::decode(params).map(LogletRoles::from),
            _ => Err(Reader::new(params.bytes.clone(), "parameters of a loglet").rule("name no storage units")),
        }
    }
}

impl From<NativeParams> for LogletRoles {
    fn from(native: NativeParams) -> Self {
        let NativeParams { sequencer, units, write_quorum } = native;
        Self { sequencer, units, write_quorum: write_quorum.into() }
    }
}

impl From<CorfuParams> for LogletRoles {
    /// Every unit of the chain must hold an append.
    fn from(corfu: CorfuParams) -> Self {
        let CorfuParams { sequencer, units } = corfu;
        Self { sequencer, write_quorum: units.len(), units }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::{Boot, LogletId};

    #[test]
    fn both_kinds_with_units_tell_their_roles_and_others_have_none() {
        let (id, sequencer) = (LogletId::default(), Incarnation { storage: StorageId(1), boot: Boot(4) });
        let units = vec![StorageId(3), StorageId(1), StorageId(2)];
        let native = NativeParams { sequencer, units: units.clone(), write_quorum: 2 }.encode(id);
        let roles = LogletRoles { sequencer, units: units.clone(), write_quorum: 2 };
        assert_eq!(LogletRoles::of(&native), Ok(roles.clone()));
        let corfu = CorfuParams { sequencer, units }.encode(id);
        assert_eq!(LogletRoles::of(&corfu), Ok(LogletRoles { write_quorum: 3, ..roles }));
        for kind in [LogletKind::MEMORY, LogletKind(77)] {
            assert!(LogletRoles::of(&LogletParams { id, kind, bytes: Bytes::new() }).is_err());
        }
    }
}
