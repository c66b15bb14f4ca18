//! Twins of etcd's answers, with the same bytes on the wire. An embedded message and a `bytes` field are both
//! length-delimited. So the server can send a `KeyValue` or an `Event` that is already encoded, and does not have to
//! decode it for that.

use bytes::{Buf, BufMut, Bytes};
use prost::DecodeError;
use prost::encoding::{self, DecodeContext, WireType};

use super::server::etcdserverpb::ResponseHeader;

/// `etcdserverpb.RangeResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeResponse {
    /// The ids of cluster and member, the revision and the term.
    pub header: Option<ResponseHeader>,
    /// The first pairs, already encoded as `kvs` fields with their tags and lengths: see [`put_kv`].
    pub framed: Bytes,
    /// The pairs that follow those in `framed`, as encoded `mvccpb.KeyValue`s.
    pub kvs: Vec<Bytes>,
    /// Whether the limit cut the list short.
    pub more: bool,
    /// Number of keys in the range, without regard to the limit.
    pub count: i64,
}

/// Tag of `RangeResponse.kvs`.
const KVS_TAG: u32 = 2;

/// Appends an encoded `mvccpb.KeyValue` to the bytes of [`RangeResponse::framed`].
pub fn put_kv(out: &mut impl BufMut, kv: &[u8]) {
    put_message(KVS_TAG, out, kv);
}

/// How many bytes [`put_kv`] appends for a pair of `len` bytes.
pub fn kv_len(len: usize) -> usize {
    message_len(KVS_TAG, len)
}

/// Appends the bytes that [`put_kv`] puts before a pair of `len` bytes.
pub fn put_kv_head(out: &mut impl BufMut, len: usize) {
    encoding::encode_key(KVS_TAG, WireType::LengthDelimited, out);
    encoding::encode_varint(len as u64, out);
}

fn put_message(tag: u32, out: &mut impl BufMut, encoded: &[u8]) {
    encoding::encode_key(tag, WireType::LengthDelimited, out);
    encoding::encode_varint(encoded.len() as u64, out);
    out.put_slice(encoded);
}

fn message_len(tag: u32, len: usize) -> usize {
    encoding::key_len(tag) + encoding::encoded_len_varint(len as u64) + len
}

impl prost::Message for RangeResponse {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if let Some(header) = &self.header {
            encoding::message::encode(1, header, buf);
        }
        buf.put_slice(&self.framed);
        for kv in &self.kvs {
            put_kv(buf, kv);
        }
        if self.more {
            encoding::bool::encode(3, &self.more, buf);
        }
        if self.count != 0 {
            encoding::int64::encode(4, &self.count, buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        // Decoded pairs go into `kvs`, where the load generator counts them, and never into `framed`.
        match tag {
            1 => encoding::message::merge(wire_type, self.header.get_or_insert_default(), buf, ctx),
            2 => encoding::bytes::merge_repeated(wire_type, &mut self.kvs, buf, ctx),
            3 => encoding::bool::merge(wire_type, &mut self.more, buf, ctx),
            4 => encoding::int64::merge(wire_type, &mut self.count, buf, ctx),
            _ => encoding::skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        self.header.as_ref().map_or(0, |h| encoding::message::encoded_len(1, h))
            + self.framed.len()
            + self.kvs.iter().map(|kv| kv_len(kv.len())).sum::<usize>()
            + if self.more { encoding::bool::encoded_len(3, &self.more) } else { 0 }
            + if self.count != 0 { encoding::int64::encoded_len(4, &self.count) } else { 0 }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// `etcdserverpb.PutResponse`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PutResponse {
    /// The ids of cluster and member, the revision and the term.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// The encoded `mvccpb.KeyValue` before the put.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub prev_kv: Option<Bytes>,
}

/// `etcdserverpb.DeleteRangeResponse`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DeleteRangeResponse {
    /// The ids of cluster and member, the revision and the term.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// Number of keys deleted.
    #[prost(int64, tag = "2")]
    pub deleted: i64,
    /// The encoded `mvccpb.KeyValue`s before the delete.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub prev_kvs: Vec<Bytes>,
}

/// `etcdserverpb.WatchResponse`. All watchers that want the same events share `events`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchResponse {
    /// The ids of cluster and member, the revision and the term.
    pub header: Option<ResponseHeader>,
    /// The id of the watcher on this stream. It is -1 if the answer is about all watchers of the stream (manual
    /// progress), or about none (a refused create request).
    pub watch_id: i64,
    /// Whether this is the answer to a create request.
    pub created: bool,
    /// Whether the watcher has ended.
    pub canceled: bool,
    /// The compacted revision if the watcher ended because of a compaction, otherwise 0.
    pub compact_revision: i64,
    /// Why the watcher ended.
    pub cancel_reason: String,
    /// Whether more events of this answer follow in another message.
    pub fragment: bool,
    /// The events, already encoded as `events` fields with their tags and lengths: see [`put_event`].
    pub events: Bytes,
}

/// Tag of `WatchResponse.events`.
const EVENTS_TAG: u32 = 11;

/// Appends an encoded `mvccpb.Event` to the bytes of [`WatchResponse::events`].
pub fn put_event(out: &mut impl BufMut, event: &[u8]) {
    put_message(EVENTS_TAG, out, event);
}

/// How many bytes [`put_event`] appends for an event of `len` bytes.
pub fn event_len(len: usize) -> usize {
    message_len(EVENTS_TAG, len)
}

impl prost::Message for WatchResponse {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if let Some(header) = &self.header {
            encoding::message::encode(1, header, buf);
        }
        if self.watch_id != 0 {
            encoding::int64::encode(2, &self.watch_id, buf);
        }
        if self.created {
            encoding::bool::encode(3, &self.created, buf);
        }
        if self.canceled {
            encoding::bool::encode(4, &self.canceled, buf);
        }
        if self.compact_revision != 0 {
            encoding::int64::encode(5, &self.compact_revision, buf);
        }
        if !self.cancel_reason.is_empty() {
            encoding::string::encode(6, &self.cancel_reason, buf);
        }
        if self.fragment {
            encoding::bool::encode(7, &self.fragment, buf);
        }
        buf.put_slice(&self.events);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        // Servers send this message and never read it, so every field may be skipped.
        encoding::skip_field(wire_type, tag, buf, ctx)
    }

    fn encoded_len(&self) -> usize {
        self.header.as_ref().map_or(0, |h| encoding::message::encoded_len(1, h))
            + if self.watch_id != 0 { encoding::int64::encoded_len(2, &self.watch_id) } else { 0 }
            + if self.created { encoding::bool::encoded_len(3, &self.created) } else { 0 }
            + if self.canceled { encoding::bool::encoded_len(4, &self.canceled) } else { 0 }
            + if self.compact_revision != 0 { encoding::int64::encoded_len(5, &self.compact_revision) } else { 0 }
            + if self.cancel_reason.is_empty() { 0 } else { encoding::string::encoded_len(6, &self.cancel_reason) }
            + if self.fragment { encoding::bool::encoded_len(7, &self.fragment) } else { 0 }
            + self.events.len()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::etcd::client::{etcdserverpb as plain, mvccpb};

    fn header() -> ResponseHeader {
        ResponseHeader { cluster_id: 1, member_id: 2, revision: 3, raft_term: 4 }
    }

    fn kv(n: u8) -> mvccpb::KeyValue {
        mvccpb::KeyValue {
            key: Bytes::from(vec![n; 3]),
            value: Bytes::from(vec![n; 300]),
            version: 7,
            ..Default::default()
        }
    }

    #[test]
    fn a_range_reads_back_as_the_plain_message_and_knows_its_length() {
        let kvs = vec![kv(1), kv(2), kv(3)];
        let mut framed = bytes::BytesMut::new();
        put_kv(&mut framed, &kvs[0].encode_to_vec());
        assert_eq!(framed.len(), kv_len(kvs[0].encoded_len()));
        let twin = RangeResponse {
            header: Some(header()),
            framed: framed.freeze(),
            kvs: kvs[1..].iter().map(|k| k.encode_to_vec().into()).collect(),
            more: true,
            count: 9,
        };
        let bytes = twin.encode_to_vec();
        assert_eq!(bytes.len(), twin.encoded_len());
        let back = plain::RangeResponse::decode(&bytes[..]).unwrap();
        assert_eq!((back.kvs, back.more, back.count), (kvs, true, 9));
        assert_eq!(back.header.unwrap().raft_term, 4);
        let read = RangeResponse::decode(&bytes[..]).unwrap();
        assert_eq!((read.encode_to_vec(), read.kvs.len()), (bytes, 3));
    }

    #[test]
    fn a_watch_reads_back_as_the_plain_message_and_knows_its_length() {
        let event = mvccpb::Event { r#type: 1, kv: Some(kv(1)), prev_kv: Some(kv(2)) };
        let encoded = event.encode_to_vec();
        let mut events = bytes::BytesMut::new();
        put_event(&mut events, &encoded);
        put_event(&mut events, &encoded);
        assert_eq!(events.len(), 2 * event_len(encoded.len()));
        let twin = WatchResponse {
            header: Some(header()),
            watch_id: -1,
            created: true,
            canceled: true,
            compact_revision: 5,
            cancel_reason: "why".to_owned(),
            fragment: true,
            events: events.freeze(),
        };
        let bytes = twin.encode_to_vec();
        assert_eq!(bytes.len(), twin.encoded_len());
        let back = plain::WatchResponse::decode(&bytes[..]).unwrap();
        assert_eq!(back.events, vec![event.clone(), event]);
        assert_eq!((back.watch_id, back.compact_revision, back.cancel_reason.as_str()), (-1, 5, "why"));
        assert!(back.created && back.canceled && back.fragment);
    }

    #[test]
    fn previous_values_read_back_as_the_plain_message() {
        let put = PutResponse { header: None, prev_kv: Some(kv(3).encode_to_vec().into()) };
        assert_eq!(plain::PutResponse::decode(&put.encode_to_vec()[..]).unwrap().prev_kv, Some(kv(3)));
        let del = DeleteRangeResponse { header: None, deleted: 1, prev_kvs: vec![kv(4).encode_to_vec().into()] };
        assert_eq!(plain::DeleteRangeResponse::decode(&del.encode_to_vec()[..]).unwrap().prev_kvs, vec![kv(4)]);
    }
}
