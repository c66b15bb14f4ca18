//! The preamble at the head of a segment: the whole [`Catalog`], so that metadata records in older segments no
//! longer count.
//!
//! Version (1), boot (8), then lists, each with its count (4): loglets (id 24, shape 1, sealed 1, incarnation 16, tail
//! 8, known tail 8, trim point 8), tombstones (id 24), floors (log 8, ordinal 8); then the raft log: vote, purged log
//! id and snapshot, each a presence byte and, if 1, length (4) and bytes; entries (count 4; index 8, length 4, bytes).
//! The written offsets are not in it: they are rebuilt from the cells.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader, put_bytes};
use naxos_proto::contracts::UnitParams;
use naxos_proto::ids::{Boot, Incarnation, LogId, LogletId, Offset, StorageId};

use crate::journal::change_record::{shape_code, shape_of};
use crate::unit::{Catalog, Loglet, RaftLog};

const PREAMBLE_FORMAT: u8 = 1;

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u32_le(u32::try_from(count).expect("a catalog's lists are short"));
}

fn put_id(out: &mut BytesMut, id: LogletId) {
    out.put_u64_le(id.log.0);
    out.put_u64_le(id.ordinal);
    out.put_u64_le(id.nonce);
}

fn put_optional(out: &mut BytesMut, bytes: Option<&Bytes>) {
    out.put_u8(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put_bytes(out, bytes);
    }
}

/// An upper bound of the length of [`encode_preamble`]'s result, at most 12 bytes too high.
pub(crate) fn preamble_bytes(catalog: &Catalog) -> u64 {
    let optional = |b: &Option<Bytes>| 5 + b.as_ref().map_or(0, Bytes::len);
    let raft = &catalog.raft;
    let entries: usize = raft.entries.values().map(|b| 12 + b.len()).sum();
    let fixed = 25 + optional(&raft.vote) + optional(&raft.purged) + optional(&raft.snapshot);
    let lists = catalog.loglets.len() * 66 + catalog.dropped.len() * 24 + catalog.floors.len() * 16;
    (fixed + lists + entries) as u64
}

/// The body of the preamble of `catalog`.
pub(crate) fn encode_preamble(catalog: &Catalog) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(PREAMBLE_FORMAT);
    out.put_u64_le(catalog.boot.0);
    put_count(&mut out, catalog.loglets.len());
    for (id, l) in &catalog.loglets {
        put_id(&mut out, *id);
        out.put_u8(shape_code(l.params.shape));
        out.put_u8(u8::from(l.sealed));
        out.put_u64_le(l.params.incarnation.storage.0);
        out.put_u64_le(l.params.incarnation.boot.0);
        out.put_u64_le(l.tail.0);
        out.put_u64_le(l.known_tail.0);
        out.put_u64_le(l.trim_point.0);
    }
    put_count(&mut out, catalog.dropped.len());
    catalog.dropped.iter().for_each(|id| put_id(&mut out, *id));
    put_count(&mut out, catalog.floors.len());
    for (log, ordinal) in &catalog.floors {
        out.put_u64_le(log.0);
        out.put_u64_le(*ordinal);
    }
    put_optional(&mut out, catalog.raft.vote.as_ref());
    put_optional(&mut out, catalog.raft.purged.as_ref());
    put_optional(&mut out, catalog.raft.snapshot.as_ref());
    put_count(&mut out, catalog.raft.entries.len());
    for (index, bytes) in &catalog.raft.entries {
        out.put_u64_le(*index);
        put_bytes(&mut out, bytes);
    }
    out.freeze()
}

fn read_id(r: &mut Reader) -> Result<LogletId, DecodeError> {
    Ok(LogletId { log: LogId(r.u64()?), ordinal: r.u64()?, nonce: r.u64()? })
}

fn read_optional(r: &mut Reader) -> Result<Option<Bytes>, DecodeError> {
    if r.u8()? == 0 { Ok(None) } else { r.bytes().map(Some) }
}

fn read_loglet(r: &mut Reader) -> Result<(LogletId, Loglet), DecodeError> {
    let id = read_id(r)?;
    let shape = shape_of(r.u8()?).ok_or_else(|| r.rule("names a shape that this build does not know"))?;
    let sealed = r.u8()? != 0;
    let incarnation = Incarnation { storage: StorageId(r.u64()?), boot: Boot(r.u64()?) };
    let mut loglet = Loglet::new(UnitParams { shape, incarnation });
    loglet.sealed = sealed;
    loglet.tail = Offset(r.u64()?);
    loglet.known_tail = Offset(r.u64()?);
    loglet.trim_point = Offset(r.u64()?);
    if loglet.trim_point > loglet.tail {
        return Err(r.rule("must have trim points at or below the tails"));
    }
    Ok((id, loglet))
}

/// Reads [`encode_preamble`]'s bytes.
pub(crate) fn decode_preamble(body: Bytes) -> Result<Catalog, DecodeError> {
    let mut r = Reader::new(body, "journal preamble");
    r.version(PREAMBLE_FORMAT)?;
    let mut catalog = Catalog { boot: Boot(r.u64()?), ..Catalog::default() };
    for _ in 0..r.u32()? {
        let (id, loglet) = read_loglet(&mut r)?;
        catalog.loglets.insert(id, loglet);
    }
    for _ in 0..r.u32()? {
        catalog.dropped.insert(read_id(&mut r)?);
    }
    for _ in 0..r.u32()? {
        catalog.floors.insert(LogId(r.u64()?), r.u64()?);
    }
    let (vote, purged) = (read_optional(&mut r)?, read_optional(&mut r)?);
    let mut raft = RaftLog { vote, purged, snapshot: read_optional(&mut r)?, ..RaftLog::default() };
    for _ in 0..r.u32()? {
        raft.entries.insert(r.u64()?, r.bytes()?);
    }
    r.end()?;
    catalog.raft = raft;
    Ok(catalog)
}

#[cfg(test)]
mod tests {
    use naxos_proto::contracts::Shape;

    use super::*;
    use crate::unit::{Change, RaftChange};

    #[test]
    fn a_preamble_comes_back_and_a_cut_one_is_an_error() {
        let mut catalog = Catalog::default();
        let id = |ordinal| LogletId { log: LogId(1), ordinal, nonce: 3 };
        let incarnation = Incarnation { storage: StorageId(4), boot: Boot(5) };
        for n in 1..5 {
            catalog.apply(&Change::Open(id(n), UnitParams { shape: Shape::Sparse, incarnation }));
        }
        catalog.apply(&Change::Seal(id(2)));
        catalog.apply(&Change::Trim(id(3), Offset(7)));
        catalog.apply(&Change::Drop(id(4)));
        catalog.apply(&Change::Floor(LogId(9), 4));
        catalog.apply(&Change::Boot(Boot(12)));
        catalog.apply(&Change::Raft(RaftChange::Vote(Bytes::from_static(b"v"))));
        catalog.apply(&Change::Raft(RaftChange::Entry(3, Bytes::from_static(b"e"))));
        let bytes = encode_preamble(&catalog);
        assert_eq!(decode_preamble(bytes.clone()).unwrap(), catalog);
        assert!((bytes.len() as u64..bytes.len() as u64 + 16).contains(&preamble_bytes(&catalog)));
        for cut in 0..bytes.len() {
            assert!(decode_preamble(bytes.slice(..cut)).is_err());
        }
    }
}
