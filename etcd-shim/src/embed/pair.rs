//! [`Pair`]: a key with its value.

use bytes::Bytes;
use naxos_proto::etcd::client::etcdserverpb::RangeResponse as Decoded;
use naxos_proto::etcd::client::mvccpb::KeyValue;
use naxos_proto::etcd::twins::RangeResponse;
use prost::Message;

use super::Error;

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The revision at which the key was created.
    pub created_at: i64,
    /// The revision of the last change of the key.
    pub changed_at: i64,
    /// How many puts the key has had, from the put that created it on, that put included.
    pub version: i64,
}

impl From<KeyValue> for Pair {
    fn from(kv: KeyValue) -> Self {
        let KeyValue { key, value, create_revision, mod_revision, version, .. } = kv;
        Pair { key, value, created_at: create_revision, changed_at: mod_revision, version }
    }
}

/// The pairs of an answer, which holds them encoded: the first ones as fields of the message, the others one by one.
pub(super) fn pairs(answer: RangeResponse) -> Result<Vec<Pair>, Error> {
    let broken = |error: prost::DecodeError| Error::NotDone(format!("a stored pair cannot be read: {error}"));
    let first = Decoded::decode(answer.framed).map_err(broken)?.kvs;
    let others = answer.kvs.into_iter().map(KeyValue::decode).collect::<Result<Vec<_>, _>>().map_err(broken)?;
    Ok(first.into_iter().chain(others).map(Pair::from).collect())
}
