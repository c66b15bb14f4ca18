//! One watcher, and what watchers of the same kind share.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use naxos_proto::etcd::server::etcdserverpb::ResponseHeader;
use naxos_proto::etcd::twins::{WatchResponse, event_len, put_event};

use super::answers::{Answer, Outlet};
use super::ranges::KeyRange;
use crate::state::Effect;

/// What makes two watchers get the same bytes.
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

/// Events of whole revisions, ready for the wire.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    /// Revision of the first event and of the last one.
    pub(super) first: i64,
    pub(super) last: i64,
    /// Framed events, and where each begins.
    pub(super) events: Bytes,
    pub(super) starts: Arc<Vec<usize>>,
}

/// Builds a [`Packet`].
#[derive(Default)]
pub(super) struct PacketBuilder {
    first: i64,
    last: i64,
    events: BytesMut,
    starts: Vec<usize>,
}

impl PacketBuilder {
    pub(super) fn add(&mut self, revision: i64, effect: &Effect, prev_kv: bool) {
        if self.starts.is_empty() {
            self.first = revision;
        }
        self.last = revision;
        let event = effect.event(prev_kv);
        self.starts.push(self.events.len());
        self.events.reserve(event_len(event.len()));
        put_event(&mut self.events, event);
    }

    pub(super) fn bytes(&self) -> usize {
        self.events.len()
    }

    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// The packet, if it has an event.
    pub(super) fn finish(self) -> Option<Packet> {
        let Self { first, last, events, starts } = self;
        (!starts.is_empty()).then(|| Packet { first, last, events: events.freeze(), starts: Arc::new(starts) })
    }
}

/// One watcher.
pub(super) struct Watcher {
    /// On its stream.
    pub(super) id: i64,
    pub(super) stream: u64,
    pub(super) selection: Selection,
    pub(super) fragment: bool,
    pub(super) progress_notify: bool,
    /// Something was sent since the last tick.
    pub(super) busy: bool,
    /// The first revision that it asked for: no progress before it.
    pub(super) start: i64,
    /// The lowest revision not sent yet.
    pub(super) next: i64,
    pub(super) outlet: Outlet,
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

    /// Sends a packet whose header shows `revision`. `false`: the stream is full, nothing was sent.
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
