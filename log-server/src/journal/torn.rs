//! Tells a record whose write was torn from one that was written as a whole and damaged later.
//!
//! What is known of a torn write: a disk writes each sector (512 bytes) as a whole or, at worst, only its first part,
//! and the bytes were zero before. Hence:
//!
//! 1. If the write was torn, some sector that the record touches ends in zeros, and at least one of these zeros lies in
//!    the record. A record without such a sector is damaged. `may_be_torn` describes the one exception.
//! 2. A tear changes nothing in a sector that does not end in zeros. If the header lies only in such sectors, a tear
//!    did not change the length in it.
//! 3. A record in a sector that ends in zeros may still be damaged and not torn: its own content may be zeros there, or
//!    a damaged length may lead into zeros. So one more test follows: if flipping one single bit makes the record
//!    right, the record was damaged, unless a tear would explain the wrong bit too. A tear explains it only if all
//!    bytes from the one with the wrong bit to the end of its sector are zero now.
//! 4. The byte before the one with the wrong bit must be zero too. Otherwise the tear would have begun exactly at the
//!    byte with the wrong bit. That is too unlikely, because a sector has 512 bytes. There are two exceptions. One is the
//!    first byte of a sector, because a disk may write one sector and not the next. The other one is a record after which
//!    the same sector should hold the next record of the batch, but holds zeros: more than one bit is gone, so a tear took
//!    them.

use bytes::Bytes;

use crate::journal::record::{HEADER_BYTES, Seed, claimed_bytes, wrong_body_bit, wrong_header_bit};

/// The size of the pieces that a disk writes as a whole.
const SECTOR_BYTES: usize = 512;
/// In a longer record it happens too often that flipping some bit makes the crc match by chance: in at least one of
/// 8,192 cases.
const LONG_RECORD_BYTES: usize = 64 << 10;
/// A long record that ends in this many zeros rarely has them as its own content.
const ZEROS_MIN: usize = 16;

/// Whether the record at `at` in a segment's `bytes`, which does not decode, may be what a torn write left. If so, it
/// was never acknowledged. `is_last` says whether it is the last record of its batch.
pub(super) fn may_be_torn(seed: Seed, bytes: &Bytes, at: u64, is_last: bool) -> bool {
    let at = usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
    let record = bytes.slice(at..);
    // A start overwrites a torn batch with zeros. A mark on the disk makes the next start repeat this (see `settle`),
    // but on a full disk there is no room for the mark. If the overwriting is interrupted then, zeros may also have
    // replaced the start of a sector.
    let is_zeroed = record.first().is_none_or(|byte| *byte == 0);
    let lacks_header = is_zeroed || record.len() < HEADER_BYTES || may_lack_its_end(bytes, at, at + HEADER_BYTES);
    let lacks_body = || {
        let claimed = claimed_bytes(&record).filter(|claimed| *claimed <= record.len());
        claimed.is_some_and(|claimed| may_lack_its_end(bytes, at, at + claimed))
    };
    (lacks_header || lacks_body()) && !has_flipped_bit(seed, bytes, at, is_last)
}

/// Whether exactly one bit of the record at `at` is wrong, and no tear explains this wrong bit (points 3 and 4 of the
/// module's description).
fn has_flipped_bit(seed: Seed, bytes: &Bytes, at: usize, is_last: bool) -> bool {
    let record = bytes.slice(at..);
    let in_body = || wrong_body_bit(seed, &record).filter(|_| !lacks_all_that_follows(bytes, at));
    let wrong = wrong_header_bit(seed, &record).or_else(in_body);
    wrong.is_some_and(|bit| {
        let byte = at + bit / 8;
        let lacks_next = || !is_last && ends_in_sector_of(bytes, at, byte);
        let may_lack_more = || byte.is_multiple_of(SECTOR_BYTES) || bytes[byte - 1] == 0 || lacks_next();
        bytes[byte] & (1 << (bit % 8)) != 0 || !may_lack_its_end(bytes, byte, byte + 1) || !may_lack_more()
    })
}

/// Whether the body of the record at `at` has the byte at `byte` and ends in the same sector, before the sector does.
fn ends_in_sector_of(bytes: &Bytes, at: usize, byte: usize) -> bool {
    let end = at + claimed_bytes(&bytes[at..]).unwrap_or(0);
    (at + HEADER_BYTES..end).contains(&byte) && end / SECTOR_BYTES == byte / SECTOR_BYTES
}

/// Whether the record at `at` is long and ends in zeros. This is common: a process that is killed may have written only
/// the first pages of a record. In a long record, flipping some bit makes the crc match by chance too often, so a match
/// does not prove that the record was damaged.
fn lacks_all_that_follows(bytes: &Bytes, at: usize) -> bool {
    let end = at + claimed_bytes(&bytes[at..]).unwrap_or(0).min(bytes.len() - at);
    let last_sector = (end - end % SECTOR_BYTES).max(at);
    end - at > LONG_RECORD_BYTES && bytes[last_sector.min(end - ZEROS_MIN)..end].iter().all(|byte| *byte == 0)
}

/// Whether some sector ends in zeros of which at least one lies in `from..end`.
fn may_lack_its_end(bytes: &[u8], from: usize, end: usize) -> bool {
    let mut sector = from - from % SECTOR_BYTES;
    while sector < end {
        let next = sector + SECTOR_BYTES;
        let last = end.min(next) - 1;
        if bytes[last..next.min(bytes.len())].iter().all(|byte| *byte == 0) {
            return true;
        }
        sector = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_lacks_its_end_only_if_zeros_reach_it_from_the_record_on() {
        let mut bytes = vec![1; 2_048];
        assert!(!may_lack_its_end(&bytes, 100, 1_800));
        bytes[1_700..2_048].fill(0);
        assert!(may_lack_its_end(&bytes, 100, 1_800));
        assert!(!may_lack_its_end(&bytes, 100, 1_700), "what is missing lies after it");
        bytes[2_047] = 1;
        assert!(!may_lack_its_end(&bytes, 100, 1_800), "something was written after it");
        bytes[511] = 0;
        assert!(may_lack_its_end(&bytes, 100, 1_800), "the end of its first sector");
        assert!(!may_lack_its_end(&bytes, 100, 511));
        assert!(!may_lack_its_end(&bytes, 512, 1_800));
    }
}
