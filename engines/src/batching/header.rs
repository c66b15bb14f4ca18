//! The header and the payload of a batch.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader, put_bytes};
use naxos_proto::ids::{Boot, Incarnation, StorageId};

use super::INFO;
use crate::entry::Entry;

const HEADER_FORMAT: u8 = 1;

pub(super) fn encode_header(own: Incarnation, number: u64, count: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(29);
    out.put_u8(HEADER_FORMAT);
    out.put_u64_le(own.storage.0);
    out.put_u64_le(own.boot.0);
    out.put_u64_le(number);
    out.put_u32_le(u32::try_from(count).expect("at most BATCH_COMMANDS_MAX"));
    out.freeze()
}

/// An entry with one batch of the process `from`. It has the header of Batching and of no other engine.
pub fn batch_of(from: Incarnation, commands: &[Bytes]) -> Entry {
    let mut entry = Entry::new(encode_payload(commands));
    entry.set_header(INFO.id, encode_header(from, 0, commands.len()));
    entry
}

/// The commands of the batch in an entry. There are none if the entry has no batch.
pub fn commands_of(entry: &Entry) -> Result<Vec<Bytes>, DecodeError> {
    let Some(header) = entry.header(INFO.id) else { return Ok(Vec::new()) };
    let (_, _, count) = decode_header(header.clone())?;
    read_commands(entry, count).collect()
}

/// The first `count` commands in the payload of an entry with a batch.
pub(super) fn read_commands(entry: &Entry, count: u32) -> impl Iterator<Item = Result<Bytes, DecodeError>> {
    let mut commands = Reader::new(entry.payload.clone(), "batch");
    (0..count).map(move |_| commands.bytes())
}

pub(super) fn decode_header(bytes: Bytes) -> Result<(Incarnation, u64, u32), DecodeError> {
    let mut r = Reader::new(bytes, "batching header");
    r.version(HEADER_FORMAT)?;
    let own = Incarnation { storage: StorageId(r.u64()?), boot: Boot(r.u64()?) };
    let found = (own, r.u64()?, r.u32()?);
    r.end()?;
    Ok(found)
}

pub(super) fn encode_payload(commands: &[Bytes]) -> Bytes {
    let mut out = BytesMut::with_capacity(commands.iter().map(|c| 4 + c.len()).sum());
    for command in commands {
        put_bytes(&mut out, command);
    }
    out.freeze()
}
