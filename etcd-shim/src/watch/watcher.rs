//! One watcher, and what watchers of the same kind share.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use naxos_proto::etcd::server::etcdserverpb::ResponseHeader;
use naxos_proto::etcd::twins::{WatchResponse, event_len, put_event};
use tokio::sync::mpsc;
use tonic::Status;

use super::ranges::KeyRange;
use crate::state::Effect;

/// Where a stream's answers go.
pub(super) type Outlet = mpsc::Sender<Result<WatchResponse, Status>>;

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
        let pieces = self.pieces(packet, revision, fragment_bytes);
        let Ok(permits) = self.outlet.try_reserve_many(pieces.len()) else { return false };
        for (permit, piece) in permits.zip(pieces) {
            permit.send(Ok(piece));
        }
        self.busy = true;
        self.next = packet.last + 1;
        true
    }

    fn pieces(&self, packet: &Packet, revision: i64, fragment_bytes: usize) -> Vec<WatchResponse> {
        let whole = WatchResponse { events: packet.events.clone(), ..self.answer(revision) };
        if !self.fragment || packet.events.len() < fragment_bytes || packet.starts.len() < 2 {
            return vec![whole];
        }
        let mut pieces = Vec::new();
        let mut from = 0;
        for (i, start) in packet.starts.iter().enumerate() {
            let end = packet.starts.get(i + 1).copied().unwrap_or(packet.events.len());
            if end - from >= fragment_bytes && *start > from {
                pieces.push((from, *start));
                from = *start;
            }
        }
        pieces.push((from, packet.events.len()));
        let last = pieces.len() - 1;
        let piece = |(i, (from, to)): (usize, (usize, usize))| WatchResponse {
            events: packet.events.slice(from..to),
            fragment: i < last,
            ..self.answer(revision)
        };
        pieces.into_iter().enumerate().map(piece).collect()
    }
}
