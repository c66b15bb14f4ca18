//! [`UnitError`].

use super::fixed_text::fixed_text;
use super::{Garbage, Wire};
use crate::contracts::UnitError;
use crate::ids::{Incarnation, LogletId};
use crate::peer::generated as wire;

impl Wire for UnitError {
    type Message = wire::UnitError;

    fn to_wire(self) -> wire::UnitError {
        use wire::unit_error::Error;
        let error = match self {
            UnitError::NotOpen(loglet) => Error::NotOpen(loglet.to_wire()),
            UnitError::Dropped(loglet) => Error::Dropped(loglet.to_wire()),
            UnitError::WrongIncarnation { loglet, owner, asker } => Error::WrongIncarnation(wire::WrongIncarnation {
                loglet: Some(loglet.to_wire()),
                owner: Some(owner.to_wire()),
                asker: Some(asker.to_wire()),
            }),
            UnitError::Invalid(text) => Error::Invalid(text.to_owned()),
            UnitError::DiskFull { free, needed } => Error::DiskFull(wire::DiskFull { free, needed }),
            UnitError::Poisoned(text) => Error::Poisoned(text),
            UnitError::Overloaded => Error::Overloaded(wire::Nothing {}),
            UnitError::Stopped => Error::Stopped(wire::Nothing {}),
            UnitError::Unanswered => Error::Unanswered(wire::Nothing {}),
            UnitError::Read(text) => Error::Read(text),
        };
        wire::UnitError { error: Some(error) }
    }

    fn from_wire(m: wire::UnitError) -> Result<Self, Garbage> {
        use wire::unit_error::Error;
        Ok(match m.error.ok_or(Garbage("the kind of a unit's error"))? {
            Error::NotOpen(loglet) => UnitError::NotOpen(LogletId::from_wire(loglet)?),
            Error::Dropped(loglet) => UnitError::Dropped(LogletId::from_wire(loglet)?),
            Error::WrongIncarnation(m) => UnitError::WrongIncarnation {
                loglet: LogletId::required(m.loglet, "the loglet of another sequencer")?,
                owner: Incarnation::required(m.owner, "the owner of a loglet")?,
                asker: Incarnation::required(m.asker, "the sequencer that a request names")?,
            },
            Error::Invalid(text) => UnitError::Invalid(fixed_text(&text)),
            Error::DiskFull(m) => UnitError::DiskFull { free: m.free, needed: m.needed },
            Error::Poisoned(text) => UnitError::Poisoned(text),
            Error::Overloaded(_) => UnitError::Overloaded,
            Error::Stopped(_) => UnitError::Stopped,
            Error::Unanswered(_) => UnitError::Unanswered,
            Error::Read(text) => UnitError::Read(text),
        })
    }
}

/// One error of each kind.
#[cfg(test)]
pub(super) fn all_unit_errors() -> Vec<UnitError> {
    use crate::ids::{Boot, LogId, StorageId};
    let loglet = LogletId { log: LogId(1), ordinal: 2, nonce: 3 };
    let [owner, asker] = [4, 5].map(|n| Incarnation { storage: StorageId(n), boot: Boot(n + 10) });
    vec![
        UnitError::NotOpen(loglet),
        UnitError::Dropped(loglet),
        UnitError::WrongIncarnation { loglet, owner, asker },
        UnitError::Invalid("a store has no cells"),
        UnitError::DiskFull { free: 6, needed: 7 },
        UnitError::Poisoned("eio".to_owned()),
        UnitError::Overloaded,
        UnitError::Stopped,
        UnitError::Unanswered,
        UnitError::Read("crc".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_wire() {
        for error in all_unit_errors() {
            assert_eq!(UnitError::from_wire(error.clone().to_wire()), Ok(error));
        }
        assert!(UnitError::from_wire(wire::UnitError { error: None }).is_err());
    }
}
