//! [`first_difference`]: the first revision at which the histories of two replicas differ.
//!
//! Both replicas hash their history up to several revisions in one pass over their rows. The first of these revisions at
//! which the hashes differ, and the one before it, are the bounds of the next round. With [`REVISIONS_ASKED_MAX`]
//! revisions in a round, three rounds are enough for 200,000 revisions, five for 900 million.

use futures::future::try_join;
use naxos_proto::contracts::{Checksums, ChecksumsError, HistoryHashes, REVISIONS_ASKED_MAX};

/// Where two histories differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This revision is the first one that differs.
    First(i64),
    /// The history at or below the compacted revision differs.
    Compacted(i64),
    /// Both replicas have the same revisions, and none differs.
    Equal,
    /// No revision up to this one differs, but one of the two replicas has no revision after it. Perhaps that replica has
    /// not applied the later revisions yet.
    Ends(i64),
}

/// Returns at most `max` revisions above `equal`, in rising order. The last one is `differs`. Returns
/// nothing if `differs` is not above `equal`.
fn between(equal: i64, differs: i64, max: usize) -> Vec<i64> {
    let span = i128::from(differs) - i128::from(equal);
    let count = span.min(max as i128);
    let at = |n: i128| i64::try_from(i128::from(equal) + span * n / count).expect("between two revisions");
    (1..=count).map(at).collect()
}

async fn ask(
    own: &dyn Checksums,
    other: &dyn Checksums,
    revisions: Vec<i64>,
) -> Result<(HistoryHashes, HistoryHashes), ChecksumsError> {
    let (own, other) = try_join(own.hashes(revisions.clone()), other.hashes(revisions)).await?;
    // One of the two was compacted and the other one was not yet.
    if own.compacted == other.compacted { Ok((own, other)) } else { Err(ChecksumsError::NotYet) }
}

/// Finds the first revision that differs. An error means that it may be tried again.
/// # Cancel safety
/// Nothing is lost.
pub(super) async fn first_difference(own: &dyn Checksums, other: &dyn Checksums) -> Result<Found, ChecksumsError> {
    let (mine, theirs) = ask(own, other, Vec::new()).await?;
    let (compacted, end) = (mine.compacted.max(0), mine.current.min(theirs.current));
    let mut revisions = vec![compacted];
    revisions.extend(between(compacted, end, REVISIONS_ASKED_MAX - 1));
    loop {
        let (a, b) = ask(own, other, revisions.clone()).await?;
        if a.compacted != mine.compacted {
            return Err(ChecksumsError::NotYet);
        }
        let first = a.hashes.iter().zip(&b.hashes).position(|(a, b)| a != b);
        match first {
            // Only the first round asks for the compacted revision, and asks for it first. Later rounds begin with a
            // revision at which the hashes are equal.
            Some(0) => return Ok(Found::Compacted(compacted)),
            Some(n) if revisions[n] - revisions[n - 1] == 1 => return Ok(Found::First(revisions[n])),
            Some(n) => {
                let (equal, differs) = (revisions[n - 1], revisions[n]);
                revisions = vec![equal];
                revisions.extend(between(equal, differs, REVISIONS_ASKED_MAX - 1));
            }
            None if mine.current == theirs.current => return Ok(Found::Equal),
            None => return Ok(Found::Ends(end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt;
    use futures::future::BoxFuture;
    use naxos_proto::contracts::ChecksumMark;

    use super::*;

    /// A replica whose history differs from that of others from revision `wrong` on.
    struct Replica {
        compacted: i64,
        current: i64,
        wrong: i64,
        asked: AtomicU32,
    }

    impl Replica {
        fn new(compacted: i64, current: i64, wrong: i64) -> Self {
            Self { compacted, current, wrong, asked: AtomicU32::new(0) }
        }
    }

    impl Checksums for Replica {
        fn marks(&self) -> BoxFuture<'_, Result<Vec<ChecksumMark>, ChecksumsError>> {
            unreachable!("the search does not ask for marks")
        }

        fn hashes(&self, revisions: Vec<i64>) -> BoxFuture<'_, Result<HistoryHashes, ChecksumsError>> {
            assert!(revisions.len() <= REVISIONS_ASKED_MAX && revisions.is_sorted());
            assert!(revisions.iter().all(|revision| (0..=self.current).contains(revision)));
            self.asked.fetch_add(1, Ordering::Relaxed);
            let hash = |revision: &i64| {
                let wrong = u32::from((*revision).max(self.compacted) >= self.wrong);
                u32::try_from(revision % 1_000_000).expect("it is small") * 2 + wrong
            };
            let (compacted, current) = (self.compacted, self.current);
            let hashes = revisions.iter().map(hash).collect();
            Box::pin(std::future::ready(Ok(HistoryHashes { compacted, current, hashes })))
        }
    }

    fn find(own: &Replica, other: &Replica) -> Result<Found, ChecksumsError> {
        first_difference(own, other).now_or_never().expect("nothing waits")
    }

    const NEVER: i64 = i64::MAX;

    #[test]
    fn the_first_revision_is_found_wherever_it_is() {
        for current in [1, 2, 63, 64, 65, 500, 100_000] {
            let other = Replica::new(-1, current, NEVER);
            for wrong in [1, 2, 3, 62, 63, 64, 65, 499, 77_777, current].into_iter().filter(|wrong| *wrong <= current) {
                let own = Replica::new(-1, current, wrong);
                assert_eq!(find(&own, &other), Ok(Found::First(wrong)), "of {current}");
            }
        }
    }

    #[test]
    fn few_passes_over_the_history_are_enough() {
        let own = Replica::new(-1, 900_000_000, 123_456_789);
        assert_eq!(find(&own, &Replica::new(-1, 900_000_000, NEVER)), Ok(Found::First(123_456_789)));
        let asked = own.asked.load(Ordering::Relaxed);
        assert!(asked <= 6, "{asked} calls, of which the first one reads no rows");
    }

    #[test]
    fn what_was_compacted_is_told_as_such() {
        let other = Replica::new(50, 90, NEVER);
        assert_eq!(find(&Replica::new(50, 90, 20), &other), Ok(Found::Compacted(50)));
        assert_eq!(find(&Replica::new(50, 90, 51), &other), Ok(Found::First(51)));
        assert_eq!(find(&Replica::new(40, 90, 51), &other), Err(ChecksumsError::NotYet));
    }

    #[test]
    fn histories_without_a_difference_are_equal_or_one_ends_early() {
        let other = Replica::new(-1, 90, NEVER);
        assert_eq!(find(&Replica::new(-1, 90, NEVER), &other), Ok(Found::Equal));
        assert_eq!(find(&Replica::new(-1, 80, NEVER), &other), Ok(Found::Ends(80)));
    }
}
