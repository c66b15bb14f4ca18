//! One watcher.

use naxos_proto::etcd::server::etcdserverpb::ResponseHeader;
use naxos_proto::etcd::twins::WatchResponse;

use super::answers::{Answer, Outlet};
use super::packet::Packet;
use super::ranges::KeyRange;

/// Which events a watcher wants, and how. Watchers with equal selections get the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Selection {
    pub(super) range: KeyRange,
    pub(super) no_put: bool,
    pub(super) no_delete: bool,
    pub(super) prev_kv: bool,
}

impl Selection {
    /// Whether a change of a key in the range is wanted.
    pub(super) fn wants(&self, deleted: bool) -> bool {
        if deleted { !self.no_delete } else { !self.no_put }
    }
}

/// How a watcher that is behind gets its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The index tells which revisions hold events for it.
    Index,
    /// All rows are read: its range holds so many keys, or they changed so often, that asking the index costs more.
    Scan,
}

/// One watcher.
pub(super) struct Watcher {
    /// Its id on its stream.
    pub(super) id: i64,
    /// The number of its stream in the hub.
    pub(super) stream: u64,
    pub(super) selection: Selection,
    /// Whether its client takes answers in fragments.
    pub(super) fragment: bool,
    pub(super) progress_notify: bool,
    /// Whether something was sent since the last progress notification was due.
    pub(super) busy: bool,
    /// The revision that its client asked to start from, or 0. No progress is reported before the store has reached it.
    pub(super) start: i64,
    /// Each event below this revision was sent, or the watcher did not want it.
    pub(super) next: i64,
    /// How it reads history; used only while it is behind.
    pub(super) way: Way,
    /// Takes the answers of its stream.
    pub(super) outlet: Outlet,
    /// The header of its answers; the revision is filled in for each.
    pub(super) header: ResponseHeader,
}

impl Watcher {
    /// An answer about this watcher at `revision`.
    pub(super) fn answer(&self, revision: i64) -> WatchResponse {
        WatchResponse {
            header: Some(ResponseHeader { revision, ..self.header }),
            watch_id: self.id,
            ..WatchResponse::default()
        }
    }

    /// Sends a packet in an answer whose header shows `revision`. Returns false, and sends nothing, if the stream is
    /// full.
    pub(super) fn send(&mut self, packet: &Packet, revision: i64, fragment_bytes: usize) -> bool {
        let Ok(permit) = self.outlet.try_reserve() else { return false };
        let message = WatchResponse { events: packet.events.clone(), ..self.answer(revision) };
        let fragment_bytes = if self.fragment { fragment_bytes } else { usize::MAX };
        permit.send(Ok(Answer::in_fragments(message, &packet.starts, fragment_bytes)));
        self.busy = true;
        self.next = packet.last + 1;
        true
    }
}
