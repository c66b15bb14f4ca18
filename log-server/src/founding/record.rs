//! [`FoundingRecord`]: what a seat remembers of a founding, and its bytes.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `NAXOSFND` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | crc32 of bytes 0..12 and of everything from byte 16 on |
//! | 16 | | cluster (8), own seat and storage id (16), count of listed seats (2), seats (8 each), promised ballot, |
//! | | | accepted ballot and value, decided value. In front of each of the last three fields is a byte: 1 if it |
//! | | | is there, 0 if it is missing |

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::contracts::{Ballot, FOUNDING_SEATS_MAX, Founder, FoundingValue, put_accepted, take_accepted};
use naxos_proto::ids::{ClusterId, MemberId};

use crate::open_error::OpenError;

/// Version of the record.
const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"NAXOSFND";
/// Where the checksum begins.
const CRC_AT: usize = 12;
/// Where the fields begin.
const BODY_AT: usize = 16;
/// The largest file that is read. A real one is smaller, even with the largest number of seats.
pub(super) const RECORD_BYTES_MAX: u64 = 8_192;

/// What a seat remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundingRecord {
    pub(crate) cluster: ClusterId,
    /// This seat, and the id of its data directory.
    pub(crate) own: Founder,
    /// The listed seats, ascending.
    pub(crate) seats: Vec<MemberId>,
    /// The highest ballot that the seat has promised to. It accepts nothing under a lower ballot.
    pub(crate) promised: Option<Ballot>,
    /// The value that the seat accepted last, and the ballot.
    pub(crate) accepted: Option<(Ballot, FoundingValue)>,
    /// The decision. Once it is known, the record does not change.
    pub(crate) decided: Option<FoundingValue>,
}

impl FoundingRecord {
    /// The record of a seat that has heard nothing from any candidate.
    pub(super) fn new(cluster: ClusterId, own: Founder, seats: Vec<MemberId>) -> Self {
        Self { cluster, own, seats, promised: None, accepted: None, decided: None }
    }

    /// Whether `count` seats are a majority of the listed ones.
    pub(super) fn is_majority(&self, count: usize) -> bool {
        count > self.seats.len() / 2
    }

    /// The record as bytes.
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_slice(MAGIC);
        out.put_u32_le(VERSION);
        out.put_u32_le(0);
        out.put_u64_le(self.cluster.0);
        self.own.put(&mut out);
        out.put_u16_le(
            u16::try_from(self.seats.len()).expect("the number of seats is checked when the seat is opened"),
        );
        for seat in &self.seats {
            out.put_u64_le(seat.0);
        }
        out.put_u8(u8::from(self.promised.is_some()));
        if let Some(ballot) = &self.promised {
            ballot.put(&mut out);
        }
        put_accepted(self.accepted.as_ref(), &mut out);
        out.put_u8(u8::from(self.decided.is_some()));
        if let Some(value) = &self.decided {
            value.put(&mut out);
        }
        let crc = crc(&out);
        out[CRC_AT..BODY_AT].copy_from_slice(&crc.to_le_bytes());
        out.freeze()
    }

    /// Reads the bytes of [`Self::encode`].
    pub(super) fn decode(bytes: &Bytes) -> Result<Self, OpenError> {
        if !bytes.starts_with(MAGIC) || bytes.len() < BODY_AT {
            return Err(OpenError::Founding("expected \"NAXOSFND\" at its beginning and at least 16 bytes".to_owned()));
        }
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the slice has four bytes"));
        // The version is looked at before the other fields, because another version may have other fields.
        let (found, expected) = (number(8), crc(bytes));
        if found != VERSION {
            return Err(OpenError::FoundingVersion { found, known: VERSION });
        }
        if number(CRC_AT) != expected {
            return Err(OpenError::Founding(format!("expected the checksum {expected}, found {}", number(CRC_AT))));
        }
        Self::fields(bytes.slice(BODY_AT..)).map_err(|e| OpenError::Founding(e.to_string()))
    }

    fn fields(body: Bytes) -> Result<Self, DecodeError> {
        let mut from = Reader::new(body, "its content");
        let (cluster, own) = (ClusterId(from.u64()?), Founder::take(&mut from)?);
        let count = usize::from(from.u16()?);
        if count > FOUNDING_SEATS_MAX {
            return Err(from.rule("lists more seats than a cluster can have"));
        }
        let seats = (0..count).map(|_| from.u64().map(MemberId)).collect::<Result<Vec<_>, _>>()?;
        if !seats.is_sorted_by(|a, b| a < b) || !seats.contains(&own.seat) {
            return Err(from.rule("must list the seats in ascending order, each once, with this seat among them"));
        }
        let promised = if flag(&mut from)? { Some(Ballot::take(&mut from)?) } else { None };
        let accepted = take_accepted(&mut from)?;
        let decided = if flag(&mut from)? { Some(FoundingValue::take(&mut from)?) } else { None };
        if accepted.as_ref().map(|(ballot, _)| *ballot) > promised {
            return Err(from.rule("must not have an accepted ballot above the promised one"));
        }
        from.end()?;
        Ok(Self { cluster, own, seats, promised, accepted, decided })
    }
}

fn flag(from: &mut Reader) -> Result<bool, DecodeError> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(from.rule("must say by 0 or 1 whether a field is there")),
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..CRC_AT]);
    hasher.update(&bytes[BODY_AT..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{LogId, StorageId};

    use super::*;

    fn record() -> FoundingRecord {
        let own = Founder { seat: MemberId(2), storage: StorageId(22) };
        let ballot = Ballot { round: 4, seat: MemberId(1), storage: StorageId(11) };
        let value = FoundingValue { log: LogId(7), founders: vec![own] };
        FoundingRecord {
            promised: Some(Ballot { round: 5, ..ballot }),
            accepted: Some((ballot, value.clone())),
            decided: Some(value),
            ..FoundingRecord::new(ClusterId(9), own, [1, 2, 3].map(MemberId).to_vec())
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let fresh = FoundingRecord { promised: None, accepted: None, decided: None, ..record() };
        for record in [record(), fresh] {
            assert_eq!(FoundingRecord::decode(&record.encode()).unwrap(), record);
        }
        let seats = (1..=FOUNDING_SEATS_MAX as u64).map(MemberId).collect::<Vec<_>>();
        let founders = seats.iter().map(|seat| Founder { seat: *seat, storage: StorageId(seat.0) }).collect();
        let value = FoundingValue { log: LogId(7), founders };
        let ballot = record().promised.unwrap();
        let largest =
            FoundingRecord { seats, accepted: Some((ballot, value.clone())), decided: Some(value), ..record() };
        assert!((largest.encode().len() as u64) < RECORD_BYTES_MAX);
    }

    #[test]
    fn a_damaged_record_is_refused_in_words_wherever_the_damage_is() {
        let good = record().encode();
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 0x10;
            let refused = FoundingRecord::decode(&bad.into()).unwrap_err().to_string();
            assert!(refused.contains("the file \"founding\""), "{refused}");
            let refused = FoundingRecord::decode(&good.slice(..at)).unwrap_err().to_string();
            assert!(refused.contains("the file \"founding\""), "{refused}");
        }
        let mut later = good.to_vec();
        later[8] = 2;
        let refused = FoundingRecord::decode(&later.into()).unwrap_err().to_string();
        assert!(refused.contains("has version 2, this build reads version 1"), "{refused}");
    }
}
