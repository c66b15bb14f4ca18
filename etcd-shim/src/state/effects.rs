//! What each revision changed, in order. The watch hubs read these values.

use std::sync::OnceLock;

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::ids::StoreId;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// One change of one key.
#[derive(Debug)]
pub struct Effect {
    /// The key.
    pub key: Bytes,
    /// Whether the key was deleted.
    pub deleted: bool,
    /// The encoded `KeyValue` after the change. For a deletion it has only the key and the revision.
    pub kv: Bytes,
    /// The encoded `KeyValue` before the change. `None` if the key did not exist, if the value is compacted, or if the
    /// reader of the history did not ask for it.
    pub prev_kv: Option<Bytes>,
    encoded: OnceLock<Bytes>,
    encoded_with_prev: OnceLock<Bytes>,
}

impl Effect {
    /// A change of `key`; the fields are described at the struct.
    pub fn new(key: Bytes, deleted: bool, kv: Bytes, prev_kv: Option<Bytes>) -> Self {
        Self { key, deleted, kv, prev_kv, encoded: OnceLock::new(), encoded_with_prev: OnceLock::new() }
    }

    /// The encoded `mvccpb.Event`. It is encoded once for all watchers that get it.
    pub fn event(&self, with_prev: bool) -> &Bytes {
        let cell = if with_prev { &self.encoded_with_prev } else { &self.encoded };
        cell.get_or_init(|| self.encode(self.prev_kv.as_ref().filter(|_| with_prev)))
    }

    fn encode(&self, prev_kv: Option<&Bytes>) -> Bytes {
        let field = |kv: &Bytes| 1 + encoded_len_varint(kv.len() as u64) + kv.len();
        let len = if self.deleted { 2 } else { 0 } + field(&self.kv) + prev_kv.map_or(0, field);
        let mut out = BytesMut::with_capacity(len);
        if self.deleted {
            encode_key(1, WireType::Varint, &mut out);
            encode_varint(1, &mut out);
        }
        let mut put = |tag: u32, kv: &Bytes| {
            encode_key(tag, WireType::LengthDelimited, &mut out);
            encode_varint(kv.len() as u64, &mut out);
            out.put_slice(kv);
        };
        put(2, &self.kv);
        if let Some(prev) = prev_kv {
            put(3, prev);
        }
        out.freeze()
    }
}

/// All changes of one revision of one store.
#[derive(Debug)]
pub struct Effects {
    /// The store that was changed.
    pub store: StoreId,
    /// The revision at which it was changed.
    pub revision: i64,
    /// The changes in order of their sub revision; at least one.
    pub changes: Vec<Effect>,
}

#[cfg(test)]
mod tests {
    use naxos_proto::etcd::client::mvccpb::{Event, KeyValue};
    use prost::Message;

    use super::*;

    #[test]
    fn an_event_reads_back_as_the_plain_message() {
        let kv = KeyValue { key: Bytes::from_static(b"k"), mod_revision: 3, ..Default::default() };
        let prev = KeyValue { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"v"), ..Default::default() };
        let encode = |k: &KeyValue| Bytes::from(k.encode_to_vec());
        let effect = Effect::new(kv.key.clone(), true, encode(&kv), Some(encode(&prev)));
        let with = Event { r#type: 1, kv: Some(kv), prev_kv: Some(prev) };
        assert_eq!(Event::decode(effect.event(true).clone()).unwrap(), with);
        assert_eq!(Event::decode(effect.event(false).clone()).unwrap(), Event { prev_kv: None, ..with });
    }
}
