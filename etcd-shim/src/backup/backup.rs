//! [`Backup`]: the bytes of a file, in pieces.
//!
//! The file begins with its meta pages, which name the root page, and each piece that is sent tells how many bytes follow it.
//! Both are known only at the end. So two passes are made over the same rows. The first one makes all pages, counts
//! their bytes, and keeps only the meta pages. The second one makes the same pages again, and they are sent. This reads
//! everything twice, but it needs no room on the disk.

use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::StoreReader;
use naxos_proto::ids::StoreId;
use sha2::{Digest, Sha256};

use super::backup_error::BackupError;
use super::etcd_pass::EtcdPass;
use super::facts::Facts;
use crate::bolt::META_BYTES;

/// What a step has made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing that can be sent yet.
    Nothing,
    /// The next bytes of the file.
    Pages(Bytes),
    /// The checksum of all bytes, with which the file ends. No step follows.
    Digest(Bytes),
}

enum Stage {
    /// The first pass. It has made this many bytes.
    Count(u64),
    /// The second pass makes a file that has these meta pages.
    Make(Bytes),
    End,
}

/// See the module. Its steps read the disk, so they must not run on a thread that serves requests.
pub(crate) struct Backup {
    rows: Arc<naxos_engines::local_store::FixedRows>,
    facts: Arc<Facts>,
    pass: EtcdPass,
    stage: Stage,
    /// Bytes of the file without its checksum. 0 while they are not known.
    bytes: u64,
    /// Bytes that were returned.
    made: u64,
    hasher: Sha256,
}

impl Backup {
    /// The state as it is now. `term` and `dropped` are those of [`Facts::read`].
    pub(crate) fn new(reader: &StoreReader, store: StoreId, term: u64, dropped: i64) -> Result<Self, BackupError> {
        let rows = Arc::new(reader.fix()?);
        let facts = Arc::new(Facts::read(&rows, store, term, dropped)?);
        let pass = EtcdPass::new(Arc::clone(&rows), Arc::clone(&facts));
        Ok(Self { rows, facts, pass, stage: Stage::Count(0), bytes: 0, made: 0, hasher: Sha256::new() })
    }

    /// What the file holds.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The length of the file without its checksum. 0 until the first pass has ended.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Does some of the work.
    pub(crate) fn step(&mut self) -> Result<Step, BackupError> {
        match &mut self.stage {
            Stage::Count(count) => {
                let meta = self.pass.step()?;
                *count += self.pass.take_pages().len() as u64;
                let Some(meta) = meta else { return Ok(Step::Nothing) };
                self.bytes = *count + META_BYTES as u64;
                self.stage = Stage::Make(meta.clone());
                self.pass = EtcdPass::new(Arc::clone(&self.rows), Arc::clone(&self.facts));
                Ok(self.give(meta))
            }
            Stage::Make(first) => {
                let meta = self.pass.step()?;
                let is_same = meta.as_ref().is_none_or(|meta| meta == first);
                if meta.is_some() {
                    self.stage = Stage::End;
                }
                let pages = self.pass.take_pages();
                let (expected, found) = (self.bytes, self.made + pages.len() as u64);
                let is_over = matches!(self.stage, Stage::End);
                if !is_same || found > expected || (is_over && found != expected) {
                    return Err(BackupError::Changed { expected, found });
                }
                Ok(self.give(pages))
            }
            Stage::End => Ok(Step::Digest(Bytes::copy_from_slice(&std::mem::take(&mut self.hasher).finalize()))),
        }
    }

    fn give(&mut self, pages: Bytes) -> Step {
        if pages.is_empty() {
            return Step::Nothing;
        }
        self.hasher.update(&pages);
        self.made += pages.len() as u64;
        Step::Pages(pages)
    }
}
