//! Forgets the oldest history when there is more than may be kept.

use naxos_proto::codec::DecodeError;

use super::ObjectsApply;
use crate::local_store::Txn;
use crate::objects::rows::commit::CommitRow;
use crate::objects::rows::names::{change_row, commit_row, version_of};
use crate::objects::version::Version;

/// An entry forgets at most this many commits. That is more than one entry adds, so after the limits of the history
/// were lowered, each entry makes the history shorter until it fits.
const FORGET_MAX: usize = 8_192;
/// Rows of commits that are read at a time.
const PAGE_COMMITS: usize = 64;

impl ObjectsApply {
    /// Chooses the commits to forget, and counts them as forgotten. Those of the entry that is being applied stay,
    /// because readers of the state before it need them until it is applied.
    pub(super) fn choose_forgotten(&mut self, txn: &Txn<'_>) -> Result<Vec<(Version, CommitRow)>, DecodeError> {
        let mut chosen = Vec::new();
        let mut from = commit_row(self.kept.oldest.next());
        let below = commit_row(Version { at: self.entry, index: 0 });
        while self.kept.is_too_much() && chosen.len() < FORGET_MAX {
            let page = txn.scan(&from, &below, PAGE_COMMITS);
            let Some((last, _)) = page.last() else { break };
            from = last.clone().after();
            for (row, value) in page {
                // Where a page ends differs between replicas, so the bound is checked for each commit.
                if !self.kept.is_too_much() || chosen.len() == FORGET_MAX {
                    break;
                }
                let commit = CommitRow::decode(value)?;
                self.kept.changes -= commit.objects.len() as u64;
                self.kept.bytes -= commit.bytes;
                self.kept.oldest = version_of(&row);
                self.kept_changed = true;
                chosen.push((self.kept.oldest, commit));
            }
        }
        Ok(chosen)
    }
}

/// Deletes the rows of forgotten commits.
pub(super) fn delete(txn: &mut Txn<'_>, forgotten: Vec<(Version, CommitRow)>) {
    for (version, commit) in forgotten {
        for object in commit.objects {
            txn.delete(change_row(object, version));
        }
        txn.delete(commit_row(version));
    }
}
