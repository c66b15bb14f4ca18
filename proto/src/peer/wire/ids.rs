//! Ids of loglets and processes.

use super::{Garbage, Wire};
use crate::ids::{Boot, Incarnation, LogId, LogletId, StorageId};
use crate::peer::generated as wire;

impl Wire for LogletId {
    type Message = wire::LogletId;

    fn to_wire(self) -> wire::LogletId {
        wire::LogletId { log: self.log.0, ordinal: self.ordinal, nonce: self.nonce }
    }

    fn from_wire(m: wire::LogletId) -> Result<Self, Garbage> {
        Ok(LogletId { log: LogId(m.log), ordinal: m.ordinal, nonce: m.nonce })
    }
}

impl Wire for Incarnation {
    type Message = wire::Incarnation;

    fn to_wire(self) -> wire::Incarnation {
        wire::Incarnation { storage: self.storage.0, boot: self.boot.0 }
    }

    fn from_wire(m: wire::Incarnation) -> Result<Self, Garbage> {
        Ok(Incarnation { storage: StorageId(m.storage), boot: Boot(m.boot) })
    }
}
