//! Events on their way to watchers: encoded once, in packets of whole revisions.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use naxos_proto::etcd::twins::{event_len, put_event};

use crate::state::Effect;

/// The most bytes of a packet of several revisions. A larger one is split between two revisions, so that a message
/// stays well below the 4 MiB that a client takes by default. A packet of a single revision may have more bytes.
pub(super) const PACKET_BYTES_MAX: usize = 1 << 20;

/// Events of whole revisions, ready for the wire.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    /// Revision of the first event.
    pub(super) first: i64,
    /// Revision of the last event.
    pub(super) last: i64,
    /// The events, framed one after the other.
    pub(super) events: Bytes,
    /// Where in `events` each of them begins.
    pub(super) starts: Arc<Vec<usize>>,
}

/// Builds the packets of watchers that want the same events. Events are added in the order of their revisions.
#[derive(Default)]
pub(super) struct PacketBuilder {
    packets: Vec<Packet>,
    open: Open,
}

/// The packet under construction.
#[derive(Default)]
struct Open {
    first: i64,
    last: i64,
    events: BytesMut,
    starts: Vec<usize>,
    /// The part of it that lies before revision `last`, if there is one.
    before: Option<Before>,
}

/// The part of a packet that lies before its last revision.
struct Before {
    last: i64,
    bytes: usize,
    events: usize,
}

impl PacketBuilder {
    /// Adds the event of a change.
    pub(super) fn add(&mut self, revision: i64, effect: &Effect, prev_kv: bool) {
        let open = &mut self.open;
        if open.starts.is_empty() {
            open.first = revision;
        } else if revision > open.last {
            open.before = Some(Before { last: open.last, bytes: open.events.len(), events: open.starts.len() });
        }
        open.last = revision;
        let event = effect.event(prev_kv);
        open.starts.push(open.events.len());
        open.events.reserve(event_len(event.len()));
        put_event(&mut open.events, event);
        if open.events.len() > PACKET_BYTES_MAX {
            self.packets.extend(open.split());
        }
    }

    /// The packets; the list is empty if no event was added.
    pub(super) fn finish(mut self) -> Vec<Packet> {
        if !self.open.starts.is_empty() {
            self.packets.push(self.open.close());
        }
        self.packets
    }
}

impl Open {
    /// Takes out the part before the last revision, if there is one.
    fn split(&mut self) -> Option<Packet> {
        let Before { last, bytes, events } = self.before.take()?;
        let rest = Open {
            first: self.last,
            last: self.last,
            events: self.events.split_off(bytes),
            starts: self.starts.split_off(events).into_iter().map(|start| start - bytes).collect(),
            before: None,
        };
        let mut before = std::mem::replace(self, rest);
        before.last = last;
        Some(before.close())
    }

    fn close(self) -> Packet {
        Packet { first: self.first, last: self.last, events: self.events.freeze(), starts: Arc::new(self.starts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds packets with one event for each of `revisions`. Each event has about `bytes` bytes. Returns for each
    /// packet its first revision, its last revision and the number of its events.
    fn built(revisions: &[i64], bytes: usize) -> Vec<(i64, i64, usize)> {
        let mut builder = PacketBuilder::default();
        for revision in revisions {
            let effect = Effect::new(Bytes::from_static(b"k"), false, vec![7; bytes].into(), None);
            builder.add(*revision, &effect, false);
        }
        let packets = builder.finish();
        for packet in &packets {
            let ends = packet.starts.iter().skip(1).copied().chain([packet.events.len()]);
            let lens: Vec<usize> = packet.starts.iter().zip(ends).map(|(start, end)| end - start).collect();
            assert!(lens.iter().all(|len| (bytes..bytes + 20).contains(len)), "{lens:?}");
        }
        packets.iter().map(|packet| (packet.first, packet.last, packet.starts.len())).collect()
    }

    #[test]
    fn few_events_are_one_packet_and_no_events_are_none() {
        assert_eq!(built(&[2, 3, 3, 7], 100), [(2, 7, 4)]);
        assert_eq!(built(&[], 100), []);
    }

    #[test]
    fn a_packet_ends_before_the_revision_that_would_make_it_too_large() {
        let part = PACKET_BYTES_MAX / 5 * 2;
        assert_eq!(built(&[2, 3, 4, 5, 6], part), [(2, 3, 2), (4, 5, 2), (6, 6, 1)]);
        assert_eq!(built(&[2, 3, 3, 4], part), [(2, 2, 1), (3, 3, 2), (4, 4, 1)]);
        assert_eq!(built(&[2, 3, 4], PACKET_BYTES_MAX), [(2, 2, 1), (3, 3, 1), (4, 4, 1)]);
    }

    #[test]
    fn a_revision_is_never_split() {
        assert_eq!(built(&[2, 3, 3, 3, 3, 4], PACKET_BYTES_MAX / 2), [(2, 2, 1), (3, 3, 4), (4, 4, 1)]);
    }
}
