//! [`Ejection`]: decides when a server that is away no longer holds back trimming.

use std::collections::{BTreeMap, BTreeSet};

use naxos_proto::ids::{Lsn, StorageId};

use super::PROGRAMS;

/// A server is ejected only if this many looks in a row, one each second, found it at the same position as the look
/// before. Looks are counted and not time, so that a server that was suspended does not judge the others by what it saw
/// before.
const UNMOVED_LOOKS: u32 = 10;
/// A server that fetches a snapshot is ejected only when the log is this many times as large as for other servers.
const HOLD_FACTOR: u64 = 4;

/// Watches the server that holds back trimming. It is ejected when the log takes more than a given number of bytes and
/// the server's position has not moved for a while. A server that is alive moves, because it tells its cursor while the
/// log grows. A server that was ejected needs a snapshot when it comes back.
#[derive(Debug)]
pub(super) struct Ejection {
    held_bytes_max: u64,
    /// The server that holds back trimming, its position, and how many further looks found it there.
    lowest: Option<(StorageId, Lsn, u32)>,
}

impl Ejection {
    pub(super) fn new(held_bytes_max: u64) -> Self {
        Self { held_bytes_max, lowest: None }
    }

    /// The server that has to leave the view, and its position. `own` is this server, which would go back to
    /// `persisted` after a crash; `holds` are the servers for which others hold the log; `log_bytes` is what the log
    /// takes on the disk.
    pub(super) fn due(
        &mut self,
        cursors: &BTreeMap<StorageId, Lsn>,
        holds: &BTreeSet<StorageId>,
        (own, persisted): (StorageId, Lsn),
        log_bytes: u64,
    ) -> Option<(StorageId, Lsn)> {
        let servers = cursors.iter().filter(|(storage, _)| **storage != PROGRAMS);
        let lowest = servers.min_by_key(|(_, cursor)| **cursor).map(|(storage, cursor)| (*storage, *cursor));
        // A server that holds back no more of the log than this server itself does is not ejected.
        let lowest = lowest.filter(|(storage, cursor)| *storage != own && *cursor < persisted);
        let Some((storage, cursor)) = lowest else {
            self.lowest = None;
            return None;
        };
        let looks = match self.lowest {
            Some((known, at, looks)) if (known, at) == (storage, cursor) => looks.saturating_add(1),
            _ => 0,
        };
        self.lowest = Some((storage, cursor, looks));
        let factor = if holds.contains(&storage) { HOLD_FACTOR } else { 1 };
        let is_large = log_bytes > self.held_bytes_max.saturating_mul(factor);
        (is_large && looks >= UNMOVED_LOOKS).then_some((storage, cursor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: (StorageId, Lsn) = (StorageId(1), Lsn(900));

    fn view(cursors: &[(u64, u64)]) -> BTreeMap<StorageId, Lsn> {
        cursors.iter().map(|(storage, cursor)| (StorageId(*storage), Lsn(*cursor))).collect()
    }

    /// What is due after `looks` looks at the same view.
    fn after(looks: u32, cursors: &[(u64, u64)], holds: &[u64], log_bytes: u64) -> Option<(StorageId, Lsn)> {
        let (mut ejection, holds) = (Ejection::new(100), holds.iter().map(|n| StorageId(*n)).collect());
        (0..looks).map(|_| ejection.due(&view(cursors), &holds, OWN, log_bytes)).last().flatten()
    }

    #[test]
    fn a_server_that_does_not_move_is_ejected_when_the_log_is_too_large() {
        let away = [(1, 800), (2, 10), (3, 850)];
        assert_eq!(after(1, &away, &[], 101), None, "it may have moved just now");
        assert_eq!(after(10, &away, &[], 101), None);
        assert_eq!(after(99, &away, &[], 100), None, "the log is not too large");
        assert_eq!(after(11, &away, &[], 101), Some((StorageId(2), Lsn(10))));
    }

    #[test]
    fn a_server_that_fetches_a_snapshot_is_ejected_later() {
        let fetches = [(1, 800), (2, 10)];
        assert_eq!(after(99, &fetches, &[2], 400), None);
        assert_eq!(after(11, &fetches, &[2], 401), Some((StorageId(2), Lsn(10))));
        assert_eq!(after(11, &fetches, &[3], 101), Some((StorageId(2), Lsn(10))), "another server fetches");
    }

    #[test]
    fn a_server_that_moves_is_not_ejected() {
        let (mut ejection, none) = (Ejection::new(100), BTreeSet::new());
        for look in 0..60 {
            assert_eq!(ejection.due(&view(&[(1, 800), (2, 10 + look)]), &none, OWN, 1_000), None);
        }
        let stays = view(&[(1, 800), (2, 69)]);
        assert!((0..9).all(|_| ejection.due(&stays, &none, OWN, 1_000).is_none()));
        assert!(ejection.due(&stays, &none, OWN, 1_000).is_some());
    }

    #[test]
    fn nobody_is_ejected_for_what_this_server_needs_itself() {
        assert_eq!(after(99, &[(1, 800)], &[], 1_000), None, "it is alone");
        assert_eq!(after(99, &[(1, 5), (2, 10)], &[], 1_000), None, "it is the lowest");
        assert_eq!(after(99, &[(1, 950), (2, 900)], &[], 1_000), None, "server 2 is as low as this server");
        assert_eq!(after(99, &[], &[], 1_000), None);
        assert_eq!(after(99, &[(1, 800), (PROGRAMS.0, 10)], &[PROGRAMS.0], 1_000), None, "programs need the log");
        let away = [(1, 800), (2, 20), (PROGRAMS.0, 10)];
        assert_eq!(after(11, &away, &[PROGRAMS.0], 101), Some((StorageId(2), Lsn(20))), "programs do not hide it");
    }
}
