//! [`Command`]: what the objects put into the log.
//!
//! Bytes, little-endian: version u8 = 1, kind u8, and by kind:
//!
//! - 1 (open): type u8, then the name up to the end
//! - 2 (commit): count of reads u32, and for each read its object u64, its key (u8 = 1, length u32, bytes; or only
//!   u8 = 0 if it has none), and its version (position u64, index u32); count of writes u32, and for each write its
//!   object u64, length u32 and bytes ([`super::write`])
//! - 3 (history): how many changes may be kept u64, how many bytes may be kept u64
//!
//! Each read and write names its object, so that the commands of one object can be told from the others without the
//! state.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader, put_bytes};

use super::history::History;
use super::object_id::ObjectId;
use super::object_type::ObjectType;
use super::seen::Seen;
use super::write::Write;

const COMMAND_FORMAT: u8 = 1;
/// The bytes of a commit without reads and writes.
pub(super) const COMMIT_BYTES: usize = 10;
/// How many bytes a commit holds for each write in front of the write's own bytes.
pub(super) const WRITE_BYTES: usize = 12;

/// What a command asks of the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Create the object, or find it.
    Open(String, ObjectType),
    /// Do the writes if all reads still hold. A single update is a commit of one write.
    Commit(Vec<Seen>, Vec<(ObjectId, Write)>),
    /// Keep as much history as the value says, from now on.
    Keep(History),
}

impl Command {
    /// The bytes of the command.
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(COMMAND_FORMAT);
        let count = |n: usize| u32::try_from(n).expect("at most OPERATIONS_MAX");
        match self {
            Command::Open(name, object_type) => {
                out.put_u8(1);
                out.put_u8(object_type.number());
                out.put_slice(name.as_bytes());
            }
            Command::Commit(reads, writes) => {
                out.put_u8(2);
                out.put_u32_le(count(reads.len()));
                reads.iter().for_each(|read| read.put(&mut out));
                out.put_u32_le(count(writes.len()));
                for (object, write) in writes {
                    out.put_u64_le(object.0);
                    put_bytes(&mut out, &write.encode());
                }
            }
            Command::Keep(history) => {
                out.put_u8(3);
                history.put(&mut out);
            }
        }
        out.freeze()
    }

    /// Decodes the bytes of [`Self::encode`].
    pub(super) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "command of the objects");
        r.version(COMMAND_FORMAT)?;
        match r.u8()? {
            1 => {
                let number = r.u8()?;
                let object_type = ObjectType::numbered(number);
                let object_type = object_type.ok_or_else(|| r.rule("names a type that this build does not know"))?;
                let not_text = r.rule("must have a name in UTF-8");
                let name = String::from_utf8(r.rest().to_vec()).map_err(|_| not_text)?;
                Ok(Command::Open(name, object_type))
            }
            2 => {
                let reads = (0..r.u32()?).map(|_| Seen::read(&mut r)).collect::<Result<_, _>>()?;
                let write = |r: &mut Reader| Ok((ObjectId(r.u64()?), Write::decode(r.bytes()?)?));
                let writes = (0..r.u32()?).map(|_| write(&mut r)).collect::<Result<_, DecodeError>>()?;
                r.end()?;
                Ok(Command::Commit(reads, writes))
            }
            3 => {
                let history = History::read(&mut r)?;
                r.end()?;
                Ok(Command::Keep(history))
            }
            _ => Err(r.rule("has a kind that this build does not know")),
        }
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::Lsn;

    use super::*;
    use crate::objects::version::Version;
    use crate::objects::write::tests::each_kind;

    fn each() -> Vec<Command> {
        let version = Version { at: Lsn(7), index: 3 };
        let reads = [None, Some(Bytes::from_static(b"key"))].map(|key| Seen { object: ObjectId(1), key, version });
        let writes = each_kind().into_iter().map(|write| (ObjectId(2), write)).collect();
        vec![
            Command::Open("accounts".to_owned(), ObjectType::Map),
            Command::Commit(reads.to_vec(), writes),
            Command::Commit(Vec::new(), Vec::new()),
            Command::Keep(History { changes_max: 5, bytes_max: 6 }),
        ]
    }

    #[test]
    fn commands_round_trip_and_cut_ones_are_refused() {
        for command in each() {
            let bytes = command.encode();
            assert_eq!(Command::decode(bytes.clone()), Ok(command.clone()));
            let name = if let Command::Open(..) = command { 3 } else { bytes.len() };
            for len in 0..name {
                assert!(Command::decode(bytes.slice(..len)).is_err(), "{command:?} cut to {len} bytes");
            }
        }
    }

    #[test]
    fn the_bytes_of_a_commit_are_known_before_it_is_encoded() {
        let Command::Commit(reads, writes) = each().remove(1) else { panic!("the second one is a commit") };
        let reads_bytes: usize = reads.iter().map(Seen::len).sum();
        let writes_bytes: usize = writes.iter().map(|(_, write)| WRITE_BYTES + write.encode().len()).sum();
        let bytes = Command::Commit(reads, writes).encode();
        assert_eq!(bytes.len(), COMMIT_BYTES + reads_bytes + writes_bytes);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(mut bytes: Vec<u8>, kind in 0..5_u8) {
            let _ = Command::decode(bytes.clone().into());
            bytes.splice(..0, [COMMAND_FORMAT, kind]);
            let _ = Command::decode(bytes.into());
        }
    }

    #[test]
    fn an_unknown_version_kind_or_type_is_refused_in_words() {
        let refused = |bytes: &'static [u8]| Command::decode(Bytes::from_static(bytes)).unwrap_err().to_string();
        assert_eq!(refused(&[2, 1]), "command of the objects has version 2, this build reads version 1");
        assert_eq!(refused(&[1, 4]), "command of the objects has a kind that this build does not know");
        assert_eq!(refused(&[1, 1, 9]), "command of the objects names a type that this build does not know");
    }

    #[test]
    fn the_bytes_of_a_commit_are_those_of_the_table() {
        let version = Version { at: Lsn(7), index: 3 };
        let reads = vec![Seen { object: ObjectId(1), key: Some(Bytes::from_static(b"k")), version }];
        let bytes = Command::Commit(reads, vec![(ObjectId(2), Write::Add(-1))]).encode();
        let expected = [
            &[1, 2][..],
            &[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, b'k', 7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0],
            &[1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3],
            &[255; 8],
        ];
        assert_eq!(bytes, expected.concat());
    }
}
