//! Names and positions. Three kinds of position are never mixed: [`Lsn`] in the virtual log, [`Offset`] in a loglet,
//! [`Revision`] in an etcd store. Ranges are half-open; an inclusive bound is called `last_*` or `up_to`.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(
    /// One log: all chains, stores and members of one cluster belong to it.
    LogId(u64)
);
number!(
    /// Made at random when a data directory is formatted; names the directory, not the machine (safety rule 13).
    StorageId(u64)
);
number!(
    /// Raised durably at every start of a data directory's process.
    Boot(u64)
);
number!(
    /// A seat in the cluster: etcd's member id.
    MemberId(u64)
);
number!(
    /// One etcd key space; many share a log.
    StoreId(u32)
);
number!(
    /// An engine's number in headers and rows; never used again for another engine.
    EngineId(u16)
);
number!(
    /// Version of the register that holds the chain; zero before the first chain.
    ChainVersion(u64)
);

/// A position in the virtual log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lsn(pub u64);
/// A position in one loglet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Offset(pub u64);
/// A revision of one store (etcd's main revision); a fresh store is at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub i64);

macro_rules! arithmetic {
    ($name:ident, $inner:ty) => {
        impl $name {
            /// The first position.
            pub const ZERO: Self = Self(0);

            /// The position after this one. Panics at the end of the number's range, which no log reaches.
            #[must_use]
            pub fn next(self) -> Self {
                self.plus(1)
            }

            /// The position `n` after this one, unless the number overflows.
            pub fn checked_add(self, n: $inner) -> Option<Self> {
                self.0.checked_add(n).map(Self)
            }

            /// As [`Self::checked_add`] where the sum is known to be small. Panics on overflow.
            #[must_use]
            pub fn plus(self, n: $inner) -> Self {
                self.checked_add(n).expect("a position fits its number")
            }

            /// How many positions lie from `earlier` (inclusive) to `self`; zero when `earlier` is the later one.
            pub fn distance_from(self, earlier: Self) -> $inner {
                if self > earlier { self.0 - earlier.0 } else { 0 }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}
arithmetic!(Lsn, u64);
arithmetic!(Offset, u64);
arithmetic!(Revision, i64);

/// The one process that may give out positions in a loglet: a data directory in one of its lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// Whose.
    pub storage: StorageId,
    /// In which life.
    pub boot: Boot,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.storage.0, self.boot)
    }
}

/// Names a loglet. Never used again, not even by the loser of a race: that one has the winner's ordinal and another
/// nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogletId {
    /// The log that it was made for.
    pub log: LogId,
    /// Its place in the chain, from 1; etcd's `raft_term`.
    pub ordinal: u64,
    /// Random.
    pub nonce: u64,
}

impl fmt::Display for LogletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}/{}/{:08x}", self.log.0, self.ordinal, self.nonce >> 32)
    }
}
