//! Ids and positions. There are three kinds of position, which are never mixed: [`Lsn`] in the virtual log, [`Offset`]
//! in a loglet, [`Revision`] in an etcd store. Ranges are half-open. A bound called `up_to` is exclusive, and one
//! called `last_*` is inclusive.

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
    /// The id of a log. All chains, stores and members of one cluster belong to it.
    LogId(u64)
);
number!(
    /// The id of a data directory, drawn at random when the directory is formatted. It identifies the directory, not
    /// the machine (safety rule 13). It also says which parts of Naxos run there ([`Role`](crate::role::Role)).
    StorageId(u64)
);
number!(
    /// Boot count of a data directory: rises durably whenever a process starts on it.
    Boot(u64)
);
number!(
    /// The id of a seat in the cluster: etcd's member id.
    MemberId(u64)
);
number!(
    /// etcd's cluster id, which is computed from the token and the member list. It stays the same when the members'
    /// disks are emptied; the [`LogId`] does not.
    ClusterId(u64)
);
number!(
    /// The id of one etcd key space. Many key spaces can share a log.
    StoreId(u32)
);
number!(
    /// The id of an engine in headers and rows. It is never used again for another engine.
    EngineId(u16)
);
number!(
    /// The id of a stream: a part of the entries of a log, in their order (Tango, SOSP'13, section 5). The program that
    /// appends chooses it.
    StreamId(u64)
);
number!(
    /// Version of the register that holds the chain. Zero before the first chain.
    ChainVersion(u64)
);

/// A position in the virtual log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lsn(pub u64);
/// A position in one loglet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Offset(pub u64);
/// A revision of one store (etcd's main revision). A new store is at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub i64);

macro_rules! arithmetic {
    ($name:ident, $inner:ty) => {
        impl $name {
            /// The first position.
            pub const ZERO: Self = Self(0);

            /// The position after this one. Panics at the largest number, which no log reaches.
            #[must_use]
            pub fn next(self) -> Self {
                self.plus(1)
            }

            /// The position `n` after this one. `None` if the number overflows.
            pub fn checked_add(self, n: $inner) -> Option<Self> {
                self.0.checked_add(n).map(Self)
            }

            /// As [`Self::checked_add`], for a sum that is known to be small. Panics on overflow.
            #[must_use]
            pub fn plus(self, n: $inner) -> Self {
                self.checked_add(n).expect("a position fits its number")
            }

            /// Number of positions from `earlier` (inclusive) to `self`. Zero if `earlier` is the later one.
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

/// One process on a data directory. Only the incarnation that a loglet names may give out its positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// The data directory that the process runs on.
    pub storage: StorageId,
    /// Boot count of the data directory when the process started.
    pub boot: Boot,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.storage.0, self.boot)
    }
}

/// The id of a loglet. It is never used again. If two processes make a loglet for the same place in the chain, only one
/// of the two loglets gets the place. The other one has the same ordinal but another nonce, so their ids differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogletId {
    /// The log that the loglet was made for.
    pub log: LogId,
    /// The loglet's place in the chain, counted from 1. Clients of etcd see it as the `raft_term`.
    pub ordinal: u64,
    /// A random number, which tells loglets with the same ordinal apart.
    pub nonce: u64,
}

impl fmt::Display for LogletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}/{}/{:08x}", self.log.0, self.ordinal, self.nonce >> 32)
    }
}
