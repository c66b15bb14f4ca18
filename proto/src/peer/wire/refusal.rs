//! [`Refusal`].

use super::{Garbage, Wire};
use crate::contracts::{Refusal, UnitError};
use crate::ids::{Incarnation, LogletId, Lsn, StorageId, StreamId};
use crate::peer::generated as wire;
use crate::streams::Unchanged;

impl Wire for Refusal {
    type Message = wire::Refusal;

    fn to_wire(self) -> wire::Refusal {
        use wire::refusal::Refusal as M;
        let refusal = match self {
            Refusal::Overloaded => M::Overloaded(wire::Nothing {}),
            Refusal::DiskFull { free, needed } => M::DiskFull(wire::DiskFull { free, needed }),
            Refusal::NoSequencer(incarnation) => M::NoSequencer(incarnation.to_wire()),
            Refusal::NotServed(loglet) => M::NotServed(loglet.to_wire()),
            Refusal::OtherSequencer { loglet, owner, asked } => M::OtherSequencer(wire::OtherSequencer {
                loglet: Some(loglet.to_wire()),
                owner: Some(owner.to_wire()),
                asked: Some(asked.to_wire()),
            }),
            Refusal::UnknownUnit(storage) => M::UnknownUnit(storage.0),
            Refusal::NoSuccessor => M::NoSuccessor(wire::Nothing {}),
            Refusal::EarlierFailed(text) => M::EarlierFailed(text),
            Refusal::Unit(error) => M::Unit(error.to_wire()),
            Refusal::Unsupported(text) => M::Unsupported(text),
            Refusal::TooLarge { bytes, bytes_max } => M::TooLarge(wire::TooLarge { bytes, bytes_max }),
            Refusal::StreamChanged(Unchanged { stream, since }) => {
                M::StreamChanged(wire::Unchanged { stream: stream.0, since: since.0 })
            }
        };
        wire::Refusal { refusal: Some(refusal) }
    }

    fn from_wire(m: wire::Refusal) -> Result<Self, Garbage> {
        use wire::refusal::Refusal as M;
        Ok(match m.refusal.ok_or(Garbage("the kind of a refusal"))? {
            M::Overloaded(_) => Refusal::Overloaded,
            M::DiskFull(m) => Refusal::DiskFull { free: m.free, needed: m.needed },
            M::NoSequencer(incarnation) => Refusal::NoSequencer(Incarnation::from_wire(incarnation)?),
            M::NotServed(loglet) => Refusal::NotServed(LogletId::from_wire(loglet)?),
            M::OtherSequencer(m) => Refusal::OtherSequencer {
                loglet: LogletId::required(m.loglet, "the loglet of another sequencer")?,
                owner: Incarnation::required(m.owner, "the owner of a loglet")?,
                asked: Incarnation::required(m.asked, "the sequencer that was asked")?,
            },
            M::UnknownUnit(storage) => Refusal::UnknownUnit(StorageId(storage)),
            M::NoSuccessor(_) => Refusal::NoSuccessor,
            M::EarlierFailed(text) => Refusal::EarlierFailed(text),
            M::Unit(error) => Refusal::Unit(UnitError::from_wire(error)?),
            M::Unsupported(text) => Refusal::Unsupported(text),
            M::TooLarge(m) => Refusal::TooLarge { bytes: m.bytes, bytes_max: m.bytes_max },
            M::StreamChanged(m) => {
                Refusal::StreamChanged(Unchanged { stream: StreamId(m.stream), since: Lsn(m.since) })
            }
        })
    }
}

/// One refusal of each kind.
#[cfg(test)]
pub(super) fn all_refusals() -> Vec<Refusal> {
    use crate::ids::{Boot, LogId};
    let loglet = LogletId { log: LogId(1), ordinal: 2, nonce: 3 };
    let [owner, asked] = [4, 5].map(|n| Incarnation { storage: StorageId(n), boot: Boot(n + 10) });
    let mut all = vec![
        Refusal::Overloaded,
        Refusal::DiskFull { free: 6, needed: 7 },
        Refusal::NoSequencer(owner),
        Refusal::NotServed(loglet),
        Refusal::OtherSequencer { loglet, owner, asked },
        Refusal::UnknownUnit(StorageId(8)),
        Refusal::NoSuccessor,
        Refusal::EarlierFailed("gap".to_owned()),
        Refusal::Unsupported("no grants".to_owned()),
        Refusal::TooLarge { bytes: 9, bytes_max: 8 },
        Refusal::StreamChanged(Unchanged { stream: StreamId(10), since: Lsn(11) }),
    ];
    all.extend(super::unit_error::all_unit_errors().into_iter().map(Refusal::Unit));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_survives_the_wire() {
        for refusal in all_refusals() {
            assert_eq!(Refusal::from_wire(refusal.clone().to_wire()), Ok(refusal));
        }
        assert!(Refusal::from_wire(wire::Refusal { refusal: None }).is_err());
    }
}
