//! Tells a record whose write was torn from one that was written as a whole and is damaged.
//!
//! A disk writes a sector as a whole or, at worst, its first part, and before the write there were zeros. So under a torn
//! write some sector that the record touches ends in zeros, from a byte of the record on; and what no zeros follow in its
//! sector is as it was written, a header with its length too. A record that contradicts that is damaged. One that does
//! not may still be: it looks torn only because it has such a zero by itself, or because a damaged length leads into
//! zeros. A record that is right but for one bit tells, if zeros in place of its end would not be the same; and also if
//! they would be, but in place of one byte: of a sector's 512 bytes a write would have to be torn at just this one.

use bytes::Bytes;

use crate::journal::record::{HEADER_BYTES, Seed, claimed_bytes, wrong_body_bit, wrong_header_bit};

/// What a disk writes as one piece.
const SECTOR_BYTES: usize = 512;
/// In a longer record a bit that fits the crc by chance is no wonder: one case in 8,192 and up.
const LONG_RECORD_BYTES: usize = 64 << 10;
/// Zeros at the end of a long record that are none of its own, as a rule.
const ZEROS_MIN: usize = 16;

/// Whether a torn write may have left the record at `at`, which does not decode, in a segment's `bytes`: then it was never
/// acknowledged.
pub(super) fn may_be_torn(seed: Seed, bytes: &Bytes, at: u64) -> bool {
    let at = usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
    let record = bytes.slice(at..);
    // A start on a full disk zeroes a torn batch without a mark: zeros may then have replaced a sector's start, too.
    let is_zeroed = record.first().is_none_or(|byte| *byte == 0);
    let lacks_header = is_zeroed || record.len() < HEADER_BYTES || may_lack_its_end(bytes, at, at + HEADER_BYTES);
    let lacks_body = || {
        let claimed = claimed_bytes(&record).filter(|claimed| *claimed <= record.len());
        claimed.is_some_and(|claimed| may_lack_its_end(bytes, at, at + claimed))
    };
    (lacks_header || lacks_body()) && !has_flipped_bit(seed, bytes, at)
}

/// Whether one bit of the record at `at` is the wrong way round, and not because its sector lacks two bytes or more.
fn has_flipped_bit(seed: Seed, bytes: &Bytes, at: usize) -> bool {
    let record = bytes.slice(at..);
    let in_body = || wrong_body_bit(seed, &record).filter(|_| !lacks_all_that_follows(bytes, at));
    let wrong = wrong_header_bit(seed, &record).or_else(in_body);
    wrong.is_some_and(|bit| {
        let byte = at + bit / 8;
        let may_lack_more = || byte.is_multiple_of(SECTOR_BYTES) || bytes[byte - 1] == 0;
        bytes[byte] & (1 << (bit % 8)) != 0 || !may_lack_its_end(bytes, byte, byte + 1) || !may_lack_more()
    })
}

/// Whether the record at `at` is long and ends in zeros as one does that a killed process wrote the first pages of. Among
/// the bits of a long record one fits its crc by chance too often to tell, and a kill is no rare event.
fn lacks_all_that_follows(bytes: &Bytes, at: usize) -> bool {
    let end = at + claimed_bytes(&bytes[at..]).unwrap_or(0).min(bytes.len() - at);
    let last_sector = (end - end % SECTOR_BYTES).max(at);
    end - at > LONG_RECORD_BYTES && bytes[last_sector.min(end - ZEROS_MIN)..end].iter().all(|byte| *byte == 0)
}

/// Whether some sector of the bytes from `from` to `end` may lack its end from one of these bytes on.
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
        assert!(!may_lack_its_end(&bytes, 100, 1_700), "what is missing lies behind it");
        bytes[2_047] = 1;
        assert!(!may_lack_its_end(&bytes, 100, 1_800), "something was written behind it");
        bytes[511] = 0;
        assert!(may_lack_its_end(&bytes, 100, 1_800), "the end of its first sector");
        assert!(!may_lack_its_end(&bytes, 100, 511));
        assert!(!may_lack_its_end(&bytes, 512, 1_800));
    }
}
