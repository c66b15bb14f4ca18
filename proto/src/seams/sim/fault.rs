//! [`Fault`]: an I/O error that a disk is told to make.

use std::io;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// From the `from`-th matching call on (counted from 1 when the fault is set), calls fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Writes to files whose path contains `path`: EIO.
    Write {
        /// Part of a path; empty matches all.
        path: String,
        /// The first one that fails.
        from: u64,
    },
    /// Syncs of files whose path contains `path`: EIO. As on Linux, what was dirty is still read, counts as clean, and may or
    /// may not survive a crash: a later sync makes it durable only if it was written again.
    Sync {
        /// Part of a path; empty matches all.
        path: String,
        /// The first one that fails.
        from: u64,
    },
    /// Reads of files whose path contains `path`: EIO.
    Read {
        /// Part of a path; empty matches all.
        path: String,
        /// The first one that fails.
        from: u64,
    },
    /// Writes and changes of length, as the disk is full: ENOSPC.
    Full {
        /// Part of a path; empty matches all.
        path: String,
        /// The first one that fails.
        from: u64,
    },
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Write,
    Length,
    Sync,
    Read,
}

/// A fault and how many matching calls it has seen.
#[derive(Clone, Debug)]
pub(crate) struct Armed {
    fault: Fault,
    seen: u64,
}

impl Armed {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, seen: 0 }
    }

    /// The error that a call gets.
    pub(crate) fn strike(&mut self, act: Act, path: &str) -> io::Result<()> {
        let (matches, part, from, error) = match &self.fault {
            Fault::Write { path, from } => (act == Act::Write, path, *from, EIO),
            Fault::Sync { path, from } => (act == Act::Sync, path, *from, EIO),
            Fault::Read { path, from } => (act == Act::Read, path, *from, EIO),
            Fault::Full { path, from } => (matches!(act, Act::Write | Act::Length), path, *from, ENOSPC),
        };
        if !matches || !path.contains(part.as_str()) {
            return Ok(());
        }
        self.seen += 1;
        if self.seen >= from { Err(io::Error::from_raw_os_error(error)) } else { Ok(()) }
    }
}
