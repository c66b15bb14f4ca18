//! [`Write`]: one write to one object.
//!
//! Bytes: kind u8, then its parts in the order of the enum. Keys, paths and values have a length u32 before them,
//! indexes are u64, an addend is i64. In commands and rows a write has a length, so that a reader that does not follow
//! an object can skip it.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader, put_bytes};

use super::check_bytes::check_bytes;
use super::check_path::check_path;
use super::limit_error::LimitError;
use super::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::output::Output;

/// One write to one object. Subscriptions return it as it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets the value of a key. The key of a register is empty; so is the value of a set's member.
    Put(Bytes, Bytes),
    /// Removes a key.
    Remove(Bytes),
    /// Adds to a counter.
    Add(i64),
    /// Adds an element at the end of a list or a queue.
    Push(Bytes),
    /// Takes the first element of a queue.
    Pop,
    /// Inserts an element into a list, before the one that has this index now, or at the end if the index is the
    /// length.
    Insert(u64, Bytes),
    /// Sets the element of a list at this index.
    Replace(u64, Bytes),
    /// Takes the element of a list at this index.
    Take(u64),
    /// Creates a path of a tree.
    Create(String, Bytes),
    /// Sets the value of a path that is there.
    Assign(String, Bytes),
    /// Deletes a path that has no children.
    Delete(String),
}

impl Write {
    /// The name of the write in errors.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Write::Put(..) => "put",
            Write::Remove(_) => "remove",
            Write::Add(_) => "add",
            Write::Push(_) => "push",
            Write::Pop => "pop",
            Write::Insert(..) => "insert",
            Write::Replace(..) => "replace",
            Write::Take(_) => "take",
            Write::Create(..) => "create",
            Write::Assign(..) => "assign",
            Write::Delete(_) => "delete",
        }
    }

    /// Whether the state of the key after the write does not depend on what was there before.
    pub(super) fn is_blind(&self) -> bool {
        matches!(self, Write::Put(..) | Write::Remove(_))
    }

    /// Whether the write changed anything, by its output.
    pub(super) fn has_changed(&self, output: &Output) -> bool {
        !matches!((self, output), (Write::Remove(_), Output::Changed(false)) | (Write::Pop, Output::Taken(None)))
    }

    /// Checks the sizes of the parts, and that paths are well written.
    pub(super) fn check(&self) -> Result<(), LimitError> {
        let (key, value, path) = match self {
            Write::Put(key, value) => (Some(key), Some(value), None),
            Write::Remove(key) => (Some(key), None, None),
            Write::Push(value) | Write::Insert(_, value) | Write::Replace(_, value) => (None, Some(value), None),
            Write::Create(path, value) | Write::Assign(path, value) => (None, Some(value), Some(path)),
            Write::Delete(path) => (None, None, Some(path)),
            Write::Add(_) | Write::Pop | Write::Take(_) => (None, None, None),
        };
        check_bytes("key", key.map_or(0, Bytes::len), KEY_BYTES_MAX)?;
        check_bytes("value", value.map_or(0, Bytes::len), VALUE_BYTES_MAX)?;
        path.map_or(Ok(()), |path| check_path(path))
    }

    /// The bytes of the write.
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Write::Put(key, value) => {
                out.put_u8(1);
                put_bytes(&mut out, key);
                put_bytes(&mut out, value);
            }
            Write::Remove(key) => {
                out.put_u8(2);
                put_bytes(&mut out, key);
            }
            Write::Add(by) => {
                out.put_u8(3);
                out.put_i64_le(*by);
            }
            Write::Push(value) => {
                out.put_u8(4);
                put_bytes(&mut out, value);
            }
            Write::Pop => out.put_u8(5),
            Write::Insert(index, value) => {
                out.put_u8(6);
                out.put_u64_le(*index);
                put_bytes(&mut out, value);
            }
            Write::Replace(index, value) => {
                out.put_u8(7);
                out.put_u64_le(*index);
                put_bytes(&mut out, value);
            }
            Write::Take(index) => {
                out.put_u8(8);
                out.put_u64_le(*index);
            }
            Write::Create(path, value) => {
                out.put_u8(9);
                put_bytes(&mut out, path.as_bytes());
                put_bytes(&mut out, value);
            }
            Write::Assign(path, value) => {
                out.put_u8(10);
                put_bytes(&mut out, path.as_bytes());
                put_bytes(&mut out, value);
            }
            Write::Delete(path) => {
                out.put_u8(11);
                put_bytes(&mut out, path.as_bytes());
            }
        }
        out.freeze()
    }

    /// Decodes the bytes of [`Self::encode`].
    pub(super) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "write to an object");
        let write = match r.u8()? {
            1 => Write::Put(r.bytes()?, r.bytes()?),
            2 => Write::Remove(r.bytes()?),
            3 => Write::Add(r.i64()?),
            4 => Write::Push(r.bytes()?),
            5 => Write::Pop,
            6 => Write::Insert(r.u64()?, r.bytes()?),
            7 => Write::Replace(r.u64()?, r.bytes()?),
            8 => Write::Take(r.u64()?),
            9 => Write::Create(r.text()?, r.bytes()?),
            10 => Write::Assign(r.text()?, r.bytes()?),
            11 => Write::Delete(r.text()?),
            _ => return Err(r.rule("has a kind that this build does not know")),
        };
        r.end()?;
        Ok(write)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One write of each kind.
    pub(in crate::objects) fn each_kind() -> Vec<Write> {
        let (key, value) = (Bytes::from_static(b"k"), Bytes::from_static(b"value"));
        vec![
            Write::Put(key.clone(), value.clone()),
            Write::Remove(key),
            Write::Add(-5),
            Write::Push(value.clone()),
            Write::Pop,
            Write::Insert(3, value.clone()),
            Write::Replace(4, value.clone()),
            Write::Take(5),
            Write::Create("/a".to_owned(), value.clone()),
            Write::Assign("/a/b".to_owned(), value),
            Write::Delete("/a".to_owned()),
        ]
    }

    #[test]
    fn writes_round_trip_and_damaged_ones_are_refused() {
        for write in each_kind() {
            let bytes = write.encode();
            assert_eq!(Write::decode(bytes.clone()), Ok(write.clone()));
            for len in 0..bytes.len() {
                assert!(Write::decode(bytes.slice(..len)).is_err(), "{write:?} cut to {len} bytes");
            }
        }
        let unknown = Write::decode(Bytes::from_static(&[99])).unwrap_err();
        assert_eq!(unknown.to_string(), "write to an object has a kind that this build does not know");
    }

    #[test]
    fn a_write_above_a_bound_is_told_the_bound() {
        let large = Write::Push(vec![0; VALUE_BYTES_MAX + 1].into());
        assert_eq!(large.check().unwrap_err().to_string(), "the value has 524289 bytes, expected at most 524288");
        let long = Write::Remove(vec![0; KEY_BYTES_MAX + 1].into());
        assert_eq!(long.check().unwrap_err().to_string(), "the key has 1025 bytes, expected at most 1024");
        assert!(each_kind().iter().all(|write| write.check().is_ok()));
    }
}
