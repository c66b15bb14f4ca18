//! [`Fence`]: a member whose state differs from that of the other members serves nothing any more. The same holds for a
//! member whose data belong to another cluster than the data of most members.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use naxos_proto::ids::{LogId, Lsn};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::state::EtcdError;

/// The first revision at which the keys and values of this member differ from those of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FirstRevision {
    /// It was not found yet.
    #[default]
    Unknown,
    /// This revision is the first one.
    At(i64),
    /// The history at or below the compacted revision differs.
    Compacted(i64),
    /// No revision differs. Something else does, such as a lease or a member.
    NoRevision,
}

/// How this member differs from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// At this position of the log the checksums differ.
    pub(crate) at: Lsn,
    pub(crate) first: FirstRevision,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the state of this member differs from that of the other members at position {} of the log: ",
            self.at
        )?;
        match self.first {
            FirstRevision::Unknown => write!(f, "the first revision that differs is not known yet"),
            FirstRevision::At(revision) => write!(f, "the first revision that differs is {revision}"),
            FirstRevision::Compacted(revision) => {
                write!(f, "the first revision that differs is the compacted revision {revision} or an earlier one")
            }
            FirstRevision::NoRevision => write!(f, "no revision of keys and values differs, but other state does"),
        }
    }
}

/// What is known of the differences between this member and the others. A fence that is up stays up until the node
/// stops. The next start raises it again if the local store still has the note of a difference.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    is_up: AtomicBool,
    difference: Mutex<Option<Difference>>,
    /// The log of most other members, if it is not that of this member.
    other_log: OnceLock<LogId>,
    /// A position at which members differ, but no majority says which of them are right.
    unsure: Mutex<Option<Lsn>>,
    /// Cancelled when the fence goes up.
    went_up: CancellationToken,
}

impl Fence {
    /// The fence of a node. `differs` is the position in the local store's note of a difference. Without such a note
    /// the fence is down.
    pub(crate) fn new(differs: Option<Lsn>) -> Self {
        let fence = Self::default();
        differs.into_iter().for_each(|at| fence.raise(at));
        fence
    }

    /// Whether the fence is up. Then this member must not serve anything.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Is cancelled when the fence goes up.
    pub(crate) fn went_up(&self) -> CancellationToken {
        self.went_up.clone()
    }

    /// The error for clients, if the fence is up.
    pub(crate) fn check(&self) -> Result<(), EtcdError> {
        if self.is_up() { Err(EtcdError::Corrupt) } else { Ok(()) }
    }

    /// This member differs from the others at position `at`.
    pub(crate) fn raise(&self, at: Lsn) {
        self.difference.lock().get_or_insert(Difference { at, first: FirstRevision::Unknown });
        self.is_up.store(true, Ordering::Release);
        self.went_up.cancel();
    }

    /// Most members belong to the log `other`, and this one does not.
    pub(crate) fn raise_for_other_log(&self, other: LogId) {
        let _ = self.other_log.set(other);
        self.is_up.store(true, Ordering::Release);
        self.went_up.cancel();
    }

    /// The first revision that differs was found.
    pub(crate) fn note_first(&self, first: FirstRevision) {
        if let Some(difference) = &mut *self.difference.lock() {
            difference.first = first;
        }
    }

    /// Members differ at this position, but it is not known which of them are right. `None`: this is over.
    pub(crate) fn note_unsure(&self, at: Option<Lsn>) {
        *self.unsure.lock() = at;
    }

    /// How the state of this member differs from that of the others. `None` if no difference is known, also while the
    /// fence is up because most members belong to another log.
    pub(crate) fn difference(&self) -> Option<Difference> {
        *self.difference.lock()
    }

    /// Why the member does not serve, or may soon have to stop serving, in words.
    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(other) = self.other_log.get() {
            return Some(format!(
                "the members at the addresses of this cluster belong to another log, {other}: they have begun a new cluster. \
                 This member serves nothing any more: see \"A member of another cluster\" in docs/operations.md"
            ));
        }
        let unsure = |at| {
            format!(
                "members differ at position {at} of the log, and no majority of them agrees: see \"A member whose state \
                 differs\" in docs/operations.md"
            )
        };
        match self.difference() {
            Some(difference) => Some(format!(
                "{difference}. This member serves nothing any more: see \"A member whose state differs\" in \
                 docs/operations.md"
            )),
            None => self.unsure.lock().map(unsure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_that_is_up_stays_up_and_tells_what_differs() {
        let fence = Fence::new(None);
        let went_up = fence.went_up();
        assert_eq!((fence.is_up(), fence.problem(), fence.check()), (false, None, Ok(())));
        fence.note_first(FirstRevision::At(3));
        assert_eq!(fence.difference(), None, "nothing differs");
        fence.raise(Lsn(128));
        fence.raise(Lsn(192));
        fence.note_first(FirstRevision::At(17));
        assert!(fence.is_up() && went_up.is_cancelled());
        assert_eq!(fence.check(), Err(EtcdError::Corrupt));
        let problem = fence.problem().expect("there is one");
        assert!(problem.contains("at position 128 of the log: the first revision that differs is 17."), "{problem}");
        assert!(Fence::new(Some(Lsn(64))).is_up(), "the local store carries a note");
    }

    #[test]
    fn a_member_of_another_log_serves_nothing() {
        let fence = Fence::new(None);
        fence.raise_for_other_log(LogId(9));
        assert_eq!((fence.is_up(), fence.check()), (true, Err(EtcdError::Corrupt)));
        assert!(fence.problem().expect("there is one").contains("another log"));
        assert!(fence.went_up().is_cancelled() && fence.difference().is_none());
    }
}
