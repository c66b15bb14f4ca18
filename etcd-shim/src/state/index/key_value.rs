//! `mvccpb.KeyValue`: encoded once, when a key is put, and copied from then on.
//!
//! The bytes are exactly those that etcd writes, because HashKV hashes them: the fields are in the order of their
//! numbers, and fields that are zero or empty are left out.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::etcd::server::mvccpb::KeyValue;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint, encoded_len_varint};

/// The fields of a key-value pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) create: i64,
    pub(crate) modified: i64,
    pub(crate) version: i64,
    pub(crate) value: &'a [u8],
    pub(crate) lease: i64,
}

fn bytes_len(field: &[u8]) -> usize {
    if field.is_empty() { 0 } else { 1 + encoded_len_varint(field.len() as u64) + field.len() }
}

fn int_len(field: i64) -> usize {
    if field == 0 { 0 } else { 1 + encoded_len_varint(field.cast_unsigned()) }
}

fn put_bytes(tag: u32, field: &[u8], out: &mut BytesMut) {
    if !field.is_empty() {
        encode_key(tag, WireType::LengthDelimited, out);
        encode_varint(field.len() as u64, out);
        out.put_slice(field);
    }
}

fn put_int(tag: u32, field: i64, out: &mut BytesMut) {
    if field != 0 {
        encode_key(tag, WireType::Varint, out);
        encode_varint(field.cast_unsigned(), out);
    }
}

impl Fields<'_> {
    /// The message's bytes, in a buffer of exactly that length.
    pub(crate) fn encode(&self) -> Bytes {
        let len = bytes_len(self.key)
            + int_len(self.create)
            + int_len(self.modified)
            + int_len(self.version)
            + bytes_len(self.value)
            + int_len(self.lease);
        let mut out = BytesMut::with_capacity(len);
        put_bytes(1, self.key, &mut out);
        put_int(2, self.create, &mut out);
        put_int(3, self.modified, &mut out);
        put_int(4, self.version, &mut out);
        put_bytes(5, self.value, &mut out);
        put_int(6, self.lease, &mut out);
        out.freeze()
    }
}

impl<'a> Fields<'a> {
    /// Reads what [`Fields::encode`] wrote, without copying. Panics if the bytes cannot be read, because then the
    /// store's own rows are damaged.
    pub(crate) fn of(encoded: &'a [u8]) -> Self {
        Self::parse(encoded).unwrap_or_else(|e| panic!("a key-value pair of the store is damaged: {e}"))
    }

    /// As [`Fields::of`], for bytes of another origin. The error says what is wrong with them.
    pub(crate) fn parse(mut rest: &'a [u8]) -> Result<Self, String> {
        let mut fields = Self::default();
        while !rest.is_empty() {
            let (tag, kind) = decode_key(&mut rest).map_err(|e| e.to_string())?;
            let number = decode_varint(&mut rest).map_err(|e| e.to_string())?;
            match (tag, kind) {
                (1 | 5, WireType::LengthDelimited) => {
                    let len = usize::try_from(number).unwrap_or(usize::MAX);
                    let (bytes, behind) = rest.split_at_checked(len).ok_or("it ends within a field")?;
                    *(if tag == 1 { &mut fields.key } else { &mut fields.value }) = bytes;
                    rest = behind;
                }
                (2, WireType::Varint) => fields.create = number.cast_signed(),
                (3, WireType::Varint) => fields.modified = number.cast_signed(),
                (4, WireType::Varint) => fields.version = number.cast_signed(),
                (6, WireType::Varint) => fields.lease = number.cast_signed(),
                _ => return Err(format!("it has a field {tag} of kind {kind:?}")),
            }
        }
        Ok(fields)
    }
}

/// Reads what [`Fields::encode`] wrote. Panics if the bytes cannot be read, because then the store's own rows are
/// damaged.
pub(crate) fn decode(encoded: &Bytes) -> KeyValue {
    KeyValue::decode(encoded.clone()).expect("the store's key-value pairs are what it encoded")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Fields::parse(&bytes);
        }

        #[test]
        fn it_encodes_what_prost_encodes(key in prop::collection::vec(any::<u8>(), 0..300),
                                         value in prop::collection::vec(any::<u8>(), 0..300),
                                         n in any::<[i64; 4]>()) {
            let fields = Fields { key: &key, create: n[0], modified: n[1], version: n[2], value: &value, lease: n[3] };
            let plain = KeyValue {
                key: key.clone().into(), create_revision: n[0], mod_revision: n[1], version: n[2],
                value: value.clone().into(), lease: n[3],
            };
            let encoded = fields.encode();
            prop_assert_eq!(&encoded, &plain.encode_to_vec());
            prop_assert_eq!(Fields::of(&encoded), fields);
            prop_assert_eq!(decode(&encoded), plain);
        }
    }
}
