//! [`expand`]: the entry as it was before it was compressed.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};

use super::{EXPANDED_BYTES_MAX, INFO};
use crate::entry::Entry;

const HEADER_FORMAT: u8 = 1;

/// The header of an entry whose payload had this many bytes.
pub(super) fn encode_header(expanded: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(5);
    out.put_u8(HEADER_FORMAT);
    out.put_u32_le(u32::try_from(expanded).expect("at most EXPANDED_BYTES_MAX"));
    out.freeze()
}

/// The entry as it was before it was compressed. An entry that is not compressed is returned as it is.
///
/// # Errors
/// If the header or the payload is damaged.
pub fn expand(entry: &Entry) -> Result<Cow<'_, Entry>, DecodeError> {
    let Some(header) = entry.header(INFO.id) else { return Ok(Cow::Borrowed(entry)) };
    let mut r = Reader::new(header.clone(), "compression header");
    r.version(HEADER_FORMAT)?;
    let len = r.u32()? as usize;
    if len > EXPANDED_BYTES_MAX {
        return Err(r.rule("must name at most 64 MiB"));
    }
    r.end()?;
    let block = Reader::new(entry.payload.clone(), "compressed payload");
    let mut payload = vec![0; len];
    match lz4_flex::block::decompress_into(&entry.payload, &mut payload) {
        Ok(found) if found == len => Ok(Cow::Owned(entry.with_payload(payload.into()))),
        Ok(_) => Err(block.rule("must have as many bytes as its header says")),
        Err(_) => Err(block.rule("must be a block of LZ4")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lower::compressed;
    use super::*;

    #[test]
    fn the_layout_is_what_formats_md_says() {
        let entry = compressed(Entry::new(vec![7; 600].into()));
        assert_eq!(entry.header(INFO.id).map(|header| &header[..]), Some(&b"\x01\x58\x02\0\0"[..]));
        assert!(entry.payload.len() < 20, "{} bytes", entry.payload.len());
        assert_eq!(expand(&entry).unwrap().payload, vec![7; 600]);
    }

    #[test]
    fn what_is_small_or_does_not_get_smaller_stays_as_it_is() {
        for payload in
            [vec![7; 100], (0..4_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect()]
        {
            let entry = Entry::new(payload.into());
            assert_eq!(compressed(entry.clone()), entry);
        }
    }

    #[test]
    fn damage_is_an_error_that_says_what_was_expected() {
        let good = compressed(Entry::new(vec![7; 600].into()));
        let mut cut = good.clone();
        cut.payload.truncate(4);
        let mut other_length = good.clone();
        other_length.set_header(INFO.id, encode_header(601));
        let mut too_long = good.clone();
        too_long.set_header(INFO.id, Bytes::from_static(&[1, 0, 0, 0, 255]));
        let mut newer = good;
        newer.set_header(INFO.id, Bytes::from_static(&[2, 0, 0, 0, 0]));
        for damaged in [cut, other_length, too_long, newer] {
            assert!(expand(&damaged).is_err(), "{damaged:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_is_expanded_to_the_same(
            words in prop::collection::vec(prop::sample::select(vec!["pod", "node", "{\"a\":1}", "\0\0\0"]), 0..2_000),
        ) {
            let entry = Entry::new(words.concat().into());
            prop_assert_eq!(expand(&compressed(entry.clone())).unwrap().payload.clone(), entry.payload);
        }

        #[test]
        fn random_bytes_never_panic(
            header in prop::collection::vec(any::<u8>(), 0..8),
            payload in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut entry = Entry::new(payload.into());
            entry.set_header(INFO.id, header.into());
            let _ = expand(&entry);
        }
    }
}
