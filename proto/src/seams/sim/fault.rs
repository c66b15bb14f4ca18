//! [`Fault`]: an I/O error that a test makes a disk return.

use std::io;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Which calls fail: from the `from`-th matching call on, all that match. Calls are counted from 1, beginning when the
/// fault is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Writes to files whose path contains `path` fail with EIO.
    Write {
        /// Part of a path; empty matches all.
        path: String,
        /// The number of the first call that fails.
        from: u64,
    },
    /// Syncs of files and directories whose path contains `path` fail with EIO. As on Linux, the unsynced bytes of a
    /// file can still be read, count as clean, and may or may not survive a crash. A later sync makes them durable only
    /// if they were written again. Names in a directory become durable with its next sync that succeeds.
    Sync {
        /// Part of a path; empty matches all.
        path: String,
        /// The number of the first call that fails.
        from: u64,
    },
    /// Reads of files whose path contains `path` fail with EIO.
    Read {
        /// Part of a path; empty matches all.
        path: String,
        /// The number of the first call that fails.
        from: u64,
    },
    /// Writes and changes of the length of files whose path contains `path` fail with ENOSPC, as on a full disk.
    Full {
        /// Part of a path; empty matches all.
        path: String,
        /// The number of the first call that fails.
        from: u64,
    },
}

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Write,
    Length,
    Sync,
    Read,
}

/// A fault, and how many matching calls it has counted.
#[derive(Clone, Debug)]
pub(crate) struct Armed {
    fault: Fault,
    seen: u64,
}

impl Armed {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, seen: 0 }
    }

    /// Counts the call if it matches, and returns the error that it gets.
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
