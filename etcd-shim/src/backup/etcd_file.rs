//! [`EtcdFile`]: the content of a file, of etcd or of Naxos. It checks what it returns, and never panics on a foreign file.

use std::collections::BTreeMap;

use prost::Message;

use super::backup_error::BackupError;
use super::lease::Lease;
use super::names::{self, revision_of};
use crate::bolt::BoltFile;
use crate::state::index::key_value::Fields;
use crate::state::index::revision_key::RevisionKey;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EtcdFile<'a> {
    file: BoltFile<'a>,
    /// The revision of the last compaction; -1 if there was none.
    pub(crate) compacted: i64,
    /// Whether authentication is on.
    pub(crate) has_auth: bool,
}

/// A key-value pair or a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyValueRow<'a> {
    pub(crate) at: RevisionKey,
    pub(crate) deleted: bool,
    /// The encoded `KeyValue`.
    pub(crate) encoded: &'a [u8],
}

impl<'a> EtcdFile<'a> {
    /// The file with these bytes. The caller has cut off the checksum at the end, if the file has one.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, BackupError> {
        let file = BoltFile::open(bytes)?;
        file.bucket(names::KEY)?;
        let meta = file.bucket(names::META)?;
        let compaction = |name: &str| match meta.get(name.as_bytes())? {
            None => Ok(-1),
            Some(value) => match revision_of(value) {
                Some((at, false)) => Ok(at.main),
                _ => Err(BackupError::content(names::META, name.as_bytes(), "a revision as its value")),
            },
        };
        let compacted = compaction(names::SCHEDULED_COMPACT)?.max(compaction(names::FINISHED_COMPACT)?);
        let has_auth = match file.find_bucket(names::AUTH)? {
            Some(auth) => auth.get(names::AUTH_ENABLED.as_bytes())? == Some(&[1]),
            None => false,
        };
        Ok(Self { file, compacted, has_auth })
    }

    /// The key-value pairs and deletions, in the order of their revisions.
    pub(crate) fn key_values(&self) -> Result<impl Iterator<Item = Result<KeyValueRow<'a>, BackupError>>, BackupError> {
        Ok(self.file.bucket(names::KEY)?.items()?.map(|item| {
            let item = item?;
            let damaged = |expected: &str| BackupError::content(names::KEY, item.key, expected);
            let (at, deleted) = revision_of(item.key).ok_or_else(|| damaged("a revision"))?;
            Fields::parse(item.value).map_err(|why| damaged(&format!("a key-value pair as its value ({why})")))?;
            Ok(KeyValueRow { at, deleted, encoded: item.value })
        }))
    }

    /// The leases in ascending order of their ids, as [`u64`]s.
    pub(crate) fn leases(&self) -> Result<impl Iterator<Item = Result<Lease, BackupError>>, BackupError> {
        let bucket = self.file.find_bucket(names::LEASE)?.map(|bucket| bucket.items()).transpose()?;
        Ok(bucket.into_iter().flatten().map(|item| {
            let item = item?;
            let damaged =
                || BackupError::content(names::LEASE, item.key, "the id of a lease, and the lease as its value");
            let lease = Lease::decode(item.value).map_err(|_| damaged())?;
            if item.key == lease.id.to_be_bytes() { Ok(lease) } else { Err(damaged()) }
        }))
    }

    /// The number of alarms, users and roles in the file, by the name of the bucket. A restore does not take them over.
    pub(crate) fn left_out(&self) -> Result<BTreeMap<&'static str, usize>, BackupError> {
        let mut left_out = BTreeMap::new();
        for name in [names::ALARM, names::AUTH_USERS, names::AUTH_ROLES] {
            let mut count = 0;
            for item in self.file.find_bucket(name)?.map(|bucket| bucket.items()).transpose()?.into_iter().flatten() {
                item?;
                count += 1;
            }
            left_out.insert(name, count);
        }
        Ok(left_out)
    }
}
