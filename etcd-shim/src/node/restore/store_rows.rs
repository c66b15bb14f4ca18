//! [`StoreRows`]: writes the rows of the new local store.

use std::time::Duration;

use bytes::Bytes;
use naxos_engines::local_store::{MadeStore, StoreError};
use naxos_engines::stack::genesis;
use naxos_proto::ids::{LogId, Lsn, StoreId};
use naxos_proto::seams::{Clock, Disk, Instant};
use prost::Message;

use super::founding::Founding;
use super::restore_error::RestoreError;
use crate::backup::{BackupError, EtcdFile};
use crate::state::Keeper;
use crate::state::rows::{self, Counters};

/// The first position of the new log. It is above 0, so that a member that comes later with an empty local store finds that
/// the log does not hold everything, and fetches a snapshot.
pub(super) const BEGIN: Lsn = Lsn(1);
/// The time between two lines that tell the progress.
const TELL_EVERY: Duration = Duration::from_secs(2);
const STORE: StoreId = StoreId(0);

/// What was written.
pub(super) struct Written {
    pub(super) key_values: u64,
    pub(super) leases: u64,
    /// The revision of the file.
    pub(super) revision_before: i64,
    /// The revision of the new store.
    pub(super) revision: i64,
    pub(super) compacted: i64,
}

/// See the module.
pub(super) struct StoreRows<'a> {
    pub(super) file: &'a EtcdFile<'a>,
    /// The name of the file, for errors.
    pub(super) name: &'a str,
    pub(super) founding: &'a Founding,
    /// What is added to the revision. Everything up to the sum counts as compacted, unless this is 0.
    pub(super) bump: u64,
    pub(super) clock: &'a dyn Clock,
    pub(super) tell: &'a dyn Fn(&str),
}

impl StoreRows<'_> {
    fn damaged(&self, error: BackupError) -> RestoreError {
        RestoreError::File(self.name.to_owned(), error)
    }

    /// Writes all rows into the file `to`, in the order of their names.
    pub(super) async fn write(&self, disk: &dyn Disk, to: &'static str) -> Result<Written, RestoreError> {
        let mut made = MadeStore::create(disk, to).await?;
        self.write_genesis(&mut made, self.founding.value.log).await?;
        let (key_values, last) = self.write_key_values(&mut made).await?;
        let leases = self.write_leases(&mut made).await?;
        let revision_before = last.max(self.file.compacted).max(1);
        let bump = self.bump;
        let revision = revision_before
            .checked_add_unsigned(bump)
            .ok_or(RestoreError::Revision { revision: revision_before, amount: bump })?;
        let compacted = if bump > 0 { revision } else { self.file.compacted };
        let counters = Counters { revision, compacted, keeper: Keeper::default() };
        made.put((rows::state(STORE), counters.encode())).await?;
        for member in &self.founding.members {
            made.put((rows::member(STORE, member.id), member.encode_to_vec().into())).await?;
        }
        (self.tell)("  making the local store durable");
        made.finish(BEGIN).await?;
        Ok(Written { key_values, leases, revision_before, revision, compacted })
    }

    async fn write_genesis(&self, made: &mut MadeStore, log: LogId) -> Result<(), StoreError> {
        for row in genesis(log).rows() {
            made.put(row).await?;
        }
        Ok(())
    }

    /// Returns the number of rows, and the revision of the last one.
    async fn write_key_values(&self, made: &mut MadeStore) -> Result<(u64, i64), RestoreError> {
        let (mut count, mut last, mut told) = (0_u64, 0, self.clock.now());
        for row in self.file.key_values().map_err(|e| self.damaged(e))? {
            let row = row.map_err(|e| self.damaged(e))?;
            made.put((rows::key_value(STORE, row.at, row.deleted), Bytes::copy_from_slice(row.encoded))).await?;
            (count, last) = (count + 1, row.at.main);
            if self.is_due(&mut told) {
                (self.tell)(&format!("  {count} revisions of keys, up to revision {last}"));
            }
        }
        Ok((count, last))
    }

    async fn write_leases(&self, made: &mut MadeStore) -> Result<u64, RestoreError> {
        // The order of the rows is that of the ids as unsigned numbers, and so is the order of the file.
        let mut count = 0;
        for lease in self.file.leases().map_err(|e| self.damaged(e))? {
            let lease = lease.map_err(|e| self.damaged(e))?;
            made.put((rows::lease(STORE, lease.id), Bytes::copy_from_slice(&lease.ttl.to_le_bytes()))).await?;
            count += 1;
        }
        Ok(count)
    }

    fn is_due(&self, told: &mut Instant) -> bool {
        let now = self.clock.now();
        let is_due = now.since(*told) >= TELL_EVERY;
        if is_due {
            *told = now;
        }
        is_due
    }
}
