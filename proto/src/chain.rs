//! The chain: it says which loglet holds which range of the virtual log (Delos, OSDI'20, section 3.1).
//!
//! The chain is kept in the MetaStore as one versioned value. Invariants, checked by [`Chain::check`]: segments are
//! contiguous, all except the last have an end, and ordinals rise. The chain, never the loglet, says where a segment
//! ends (safety rule 2).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{DecodeError, Reader, put_bytes};
use crate::ids::{LogId, LogletId, Lsn, Offset};
use crate::release::{ClusterVersion, IS_NEXT_RELEASE};

/// Version of the encoding below. Version 1 could hold only the parameters of native loglets.
const CHAIN_FORMAT: u8 = 2;
/// The largest number of segments that a chain may have. Trimming drops segments, so only a bug can cause more.
pub const SEGMENTS_MAX: usize = 65_536;

/// The kind of a loglet: how it is implemented. The number stands for the kind in an encoded chain. A chain that names
/// a kind unknown to this build can still be read; only operations on that segment fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogletKind(pub u8);

impl LogletKind {
    /// A loglet in the memory of one process: for tests, and for logs that live only as long as their process.
    pub const MEMORY: Self = Self(1);
    /// A loglet with a sequencer and a quorum of storage units (Delos, section 4.2.1).
    pub const NATIVE: Self = Self(2);
    /// A loglet whose clients write their cells themselves, along a chain of storage units (CORFU).
    pub const CORFU: Self = Self(3);
    /// A native loglet under the number that the next release has for it (`src/release.rs`).
    pub const NEXT: Self = Self(250);

    /// Whether this build opens loglets of this kind as native ones.
    pub fn is_native(self) -> bool {
        self == Self::NATIVE || (IS_NEXT_RELEASE && self == Self::NEXT)
    }

    /// Whether the log of a cluster with this version may go on in a loglet of this kind. Nodes that do not know a kind
    /// cannot open its loglets.
    pub fn may_begin_at(self, version: ClusterVersion) -> bool {
        self != Self::NEXT || version.has_next()
    }

    /// The names that `naxos ctl` prints for kinds of loglets. A kind that is not listed here is printed as a number.
    const NAMES: [(Self, &'static str); 3] =
        [(Self::MEMORY, "memory"), (Self::NATIVE, "native"), (Self::CORFU, "corfu")];
}

impl fmt::Display for LogletKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(kind, _)| kind == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "kind {}", self.0),
        }
    }
}

/// The parameters with which a provider opens a loglet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogletParams {
    /// The loglet's id.
    pub id: LogletId,
    /// The loglet's kind.
    pub kind: LogletKind,
    /// Bytes whose format depends on the kind. The provider and the sequencer of that kind read them. `LogletRoles`
    /// reads those of the kinds that have units.
    pub bytes: Bytes,
}

/// A range of the virtual log and the loglet that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first position of the segment.
    pub start: Lsn,
    /// The first position after the segment. `None` while it is open.
    pub end: Option<Lsn>,
    /// The loglet; its offset 0 is `start`.
    pub params: LogletParams,
}

impl Segment {
    /// The virtual position of `offset`.
    pub fn lsn(&self, offset: Offset) -> Lsn {
        self.start.plus(offset.0)
    }

    /// The offset of `lsn` in the loglet. `lsn` must not lie before the segment.
    pub fn offset(&self, lsn: Lsn) -> Offset {
        assert!(lsn >= self.start, "position {lsn} lies before its segment, which starts at {}", self.start);
        Offset(lsn.distance_from(self.start))
    }
}

/// All segments from the trim point on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The id of the log.
    pub log: LogId,
    /// Oldest first; the last one is open.
    pub segments: Vec<Segment>,
}

impl Chain {
    /// The segment that takes appends.
    pub fn active(&self) -> &Segment {
        self.segments.last().expect("a chain has a segment")
    }

    /// The segment that holds `lsn`. `None` if `lsn` lies before the chain.
    pub fn segment_of(&self, lsn: Lsn) -> Option<&Segment> {
        let after = self.segments.partition_point(|s| s.start <= lsn);
        after.checked_sub(1).map(|i| &self.segments[i])
    }

    /// The first position that the chain still covers.
    pub fn start(&self) -> Lsn {
        self.segments.first().expect("a chain has a segment").start
    }

    /// This chain with its active segment ended at `end` and `next` after it.
    #[must_use]
    pub fn extended(&self, end: Lsn, next: LogletParams) -> Chain {
        let mut chain = self.clone();
        let last = chain.segments.last_mut().expect("a chain has a segment");
        assert!(end >= last.start, "a segment that starts at {} cannot end at {end}", last.start);
        assert!(next.id.ordinal > last.params.id.ordinal, "the new loglet's ordinal is not above that of the last one");
        last.end = Some(end);
        chain.segments.push(Segment { start: end, end: None, params: next });
        chain
    }

    /// This chain without the sealed segments that lie wholly below `trim_point`.
    #[must_use]
    pub fn trimmed(&self, trim_point: Lsn) -> Chain {
        let keep = |s: &Segment| s.end.is_none_or(|end| end > trim_point);
        Chain { log: self.log, segments: self.segments.iter().filter(|s| keep(s)).cloned().collect() }
    }

    /// This chain with other parameters for the loglet `params.id`. `None` if no segment has that loglet.
    ///
    /// Panics if the segment is open, or if its kind would change. The units of a loglet that takes appends never change:
    /// quorums of the old and of the new units might not meet. Only a segment whose end the chain has settled may get
    /// other units (`docs/protocol.md`, cluster 19).
    #[must_use]
    pub fn with_params(&self, params: LogletParams) -> Option<Chain> {
        let mut chain = self.clone();
        let segment = chain.segments.iter_mut().find(|s| s.params.id == params.id)?;
        assert!(segment.end.is_some(), "the segment of loglet {} is open, so its units cannot change", params.id);
        assert_eq!(segment.params.kind, params.kind, "the kind of loglet {} cannot change", params.id);
        segment.params = params;
        Some(chain)
    }

    /// Checks the invariants of this module.
    pub fn check(&self) -> Result<(), DecodeError> {
        let rule = |rule| Err(DecodeError::Rule { what: "chain", rule });
        if self.segments.is_empty() || self.segments.len() > SEGMENTS_MAX {
            return rule("must have 1 to 65536 segments");
        }
        for pair in self.segments.windows(2) {
            if pair[0].end != Some(pair[1].start) || pair[0].start > pair[1].start {
                return rule("must be contiguous");
            }
            if pair[0].params.id.ordinal >= pair[1].params.id.ordinal {
                return rule("must have rising ordinals");
            }
        }
        if self.active().end.is_some() {
            return rule("must have an open last segment");
        }
        Ok(())
    }

    /// The bytes that the MetaStore keeps (`docs/formats.md`).
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(CHAIN_FORMAT);
        out.put_u64_le(self.log.0);
        out.put_u32_le(u32::try_from(self.segments.len()).expect("at most SEGMENTS_MAX segments"));
        for s in &self.segments {
            out.put_u64_le(s.start.0);
            out.put_u64_le(s.end.map_or(u64::MAX, |e| e.0));
            out.put_u64_le(s.params.id.log.0);
            out.put_u64_le(s.params.id.ordinal);
            out.put_u64_le(s.params.id.nonce);
            out.put_u8(s.params.kind.0);
            put_bytes(&mut out, &s.params.bytes);
        }
        out.freeze()
    }

    /// Decodes the bytes of [`Self::encode`] and checks the invariants.
    pub fn decode(bytes: Bytes) -> Result<Chain, DecodeError> {
        let mut r = Reader::new(bytes, "chain");
        let found = r.version(CHAIN_FORMAT)?;
        if found < CHAIN_FORMAT {
            return Err(DecodeError::Version { what: "chain", found: found.into(), known: CHAIN_FORMAT.into() });
        }
        let log = LogId(r.u64()?);
        let count = r.u32()? as usize;
        if count > SEGMENTS_MAX {
            return Err(r.rule("must have 1 to 65536 segments"));
        }
        let mut segments = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Lsn(r.u64()?);
            let end = Some(r.u64()?).filter(|e| *e != u64::MAX).map(Lsn);
            let id = LogletId { log: LogId(r.u64()?), ordinal: r.u64()?, nonce: r.u64()? };
            let params = LogletParams { id, kind: LogletKind(r.u8()?), bytes: r.bytes()? };
            segments.push(Segment { start, end, params });
        }
        r.end()?;
        let chain = Chain { log, segments };
        chain.check()?;
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(ordinal: u64) -> LogletParams {
        let id = LogletId { log: LogId(7), ordinal, nonce: 9 };
        LogletParams { id, kind: LogletKind::NATIVE, bytes: Bytes::copy_from_slice(&ordinal.to_le_bytes()) }
    }

    fn first() -> Chain {
        Chain { log: LogId(7), segments: vec![Segment { start: Lsn(0), end: None, params: params(1) }] }
    }

    #[test]
    fn positions_map_to_the_segment_that_holds_them() {
        let chain = first().extended(Lsn(100), params(2)).extended(Lsn(150), params(3));
        assert_eq!(chain.segment_of(Lsn(99)).unwrap().params.id.ordinal, 1);
        assert_eq!(chain.segment_of(Lsn(100)).unwrap().params.id.ordinal, 2);
        let last = chain.segment_of(Lsn(160)).unwrap();
        assert_eq!(last.offset(Lsn(160)), Offset(10));
        assert_eq!(last.lsn(Offset(10)), Lsn(160));
    }

    #[test]
    fn trimming_drops_only_whole_sealed_segments() {
        let chain = first().extended(Lsn(100), params(2)).extended(Lsn(150), params(3));
        assert_eq!(chain.trimmed(Lsn(99)).segments.len(), 3);
        assert_eq!(chain.trimmed(Lsn(100)).start(), Lsn(100));
        assert_eq!(chain.trimmed(Lsn(1_000)).segments.len(), 1);
    }

    #[test]
    fn an_empty_segment_never_owns_a_position() {
        let chain = first().extended(Lsn(0), params(2));
        assert_eq!(chain.segment_of(Lsn(0)).unwrap().params.id.ordinal, 2);
        assert_eq!(chain.check(), Ok(()));
    }

    #[test]
    fn an_edit_changes_only_the_parameters_of_its_segment() {
        let chain = first().extended(Lsn(100), params(2)).extended(Lsn(150), params(3));
        let other = LogletParams { bytes: Bytes::from_static(b"other units"), ..params(2) };
        let edited = chain.with_params(other.clone()).unwrap();
        assert_eq!(edited.check(), Ok(()));
        assert_eq!(edited.segments[1], Segment { params: other.clone(), ..chain.segments[1].clone() });
        assert_eq!((&edited.segments[0], &edited.segments[2]), (&chain.segments[0], &chain.segments[2]));
        let nonce = LogletId { nonce: 8, ..other.id };
        assert_eq!(chain.with_params(LogletParams { id: nonce, ..other }), None, "only the whole id names a loglet");
    }

    #[test]
    #[should_panic(expected = "is open")]
    fn the_parameters_of_the_open_segment_never_change() {
        let _ = first().extended(Lsn(100), params(2)).with_params(params(2));
    }

    #[test]
    #[should_panic(expected = "kind")]
    fn the_kind_of_a_segment_never_changes() {
        let _ =
            first().extended(Lsn(100), params(2)).with_params(LogletParams { kind: LogletKind::CORFU, ..params(1) });
    }

    #[test]
    fn encoding_round_trips_and_damage_is_an_error() {
        let chain = first().extended(Lsn(100), params(2));
        let bytes = chain.encode();
        assert_eq!(Chain::decode(bytes.clone()).unwrap(), chain);
        for cut in 0..bytes.len() {
            assert!(Chain::decode(bytes.slice(..cut)).is_err());
        }
        for version in [1, 9] {
            let mut other = bytes.to_vec();
            other[0] = version;
            let refused = Chain::decode(other.into()).unwrap_err();
            assert_eq!(refused, DecodeError::Version { what: "chain", found: version.into(), known: 2 });
        }
    }

    #[test]
    fn a_chain_that_names_an_unknown_kind_still_reads() {
        let strange =
            LogletParams { kind: LogletKind(77), bytes: Bytes::from_static(b"from a later build"), ..params(2) };
        let chain = first().extended(Lsn(100), strange);
        assert_eq!(Chain::decode(chain.encode()).unwrap(), chain);
        assert_eq!(chain.active().params.kind.to_string(), "kind 77");
    }
}
