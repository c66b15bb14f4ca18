//! A [`RangeResponse`] as the bytes of its gRPC message. The bytes are made piece by piece, when the iterator advances.

use std::vec::IntoIter;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use super::twins::{RangeResponse, kv_len, put_kv, put_kv_head};

/// Size of a piece, which may be exceeded by a few bytes. It is the default size of an HTTP/2 frame.
const PIECE_BYTES_MAX: usize = 16 << 10;
/// Longer pairs are not copied into a piece. They are sent as they are, cut into pieces.
const COPIED_BYTES_MAX: usize = 4 << 10;
/// Bytes that gRPC puts before a message: a flag and the length.
const PREFIX_BYTES: usize = 5;

/// The pieces of one message; see the module.
pub struct Pieces {
    /// The beginning of the next piece.
    open: BytesMut,
    /// Bytes that are sent after `open`, without a copy.
    whole: Bytes,
    /// The pairs that are sent after `whole`.
    kvs: IntoIter<Bytes>,
    /// The encoded fields after the pairs.
    end: Bytes,
}

impl Pieces {
    /// The pieces of `message`, which must be shorter than 4 GiB, the limit of gRPC.
    pub fn of(message: RangeResponse) -> Self {
        let len = u32::try_from(message.encoded_len()).expect("a message of less than 4 GiB");
        let RangeResponse { header, framed, kvs, more, count } = message;
        let begin = RangeResponse { header, ..RangeResponse::default() };
        let mut open = BytesMut::with_capacity(PREFIX_BYTES + begin.encoded_len());
        open.put_u8(0);
        open.put_u32(len);
        begin.encode_raw(&mut open);
        let end = RangeResponse { more, count, ..RangeResponse::default() }.encode_to_vec().into();
        Self { open, whole: framed, kvs: kvs.into_iter(), end }
    }

    /// Puts pairs into the open piece until it is full or a long pair comes.
    fn fill(&mut self) {
        while let Some(next) = self.kvs.as_slice().first() {
            let is_copied = next.len() <= COPIED_BYTES_MAX;
            if is_copied && self.open.len() + kv_len(next.len()) > PIECE_BYTES_MAX {
                return;
            }
            self.open.reserve(if self.open.is_empty() { PIECE_BYTES_MAX } else { 0 });
            let next = self.kvs.next().expect("just looked at");
            if !is_copied {
                put_kv_head(&mut self.open, next.len());
                self.whole = next;
                return;
            }
            put_kv(&mut self.open, &next);
        }
        self.open.extend_from_slice(&std::mem::take(&mut self.end));
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.whole.is_empty() {
            self.fill();
        }
        if !self.open.is_empty() {
            return Some(std::mem::take(&mut self.open).freeze());
        }
        let piece = self.whole.split_to(self.whole.len().min(PIECE_BYTES_MAX));
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::server::etcdserverpb::ResponseHeader;

    /// A list whose pairs have these lengths. Those in `framed` are framed already.
    fn list(framed: &[usize], kvs: &[usize]) -> RangeResponse {
        let pair = |len: &usize| Bytes::from(vec![*len as u8; *len]);
        let mut first = BytesMut::new();
        framed.iter().for_each(|len| put_kv(&mut first, &pair(len)));
        RangeResponse {
            header: Some(ResponseHeader { revision: 7, ..ResponseHeader::default() }),
            framed: first.freeze(),
            kvs: kvs.iter().map(pair).collect(),
            more: true,
            count: 9,
        }
    }

    #[test]
    fn pieces_are_bounded_and_make_the_message_whole() {
        let short = [100; 1_000];
        let mixed = [1, 5_000, 4_096, 4_097, 0, 100_000, 16_384, 3, 3, 20_000];
        for (framed, kvs) in [
            (&short[..], &[][..]),
            (&[], &short),
            (&short, &short),
            (&[], &mixed),
            (&mixed, &mixed),
            (&[], &[1_000_000]),
            (&[], &[]),
        ] {
            let message = list(framed, kvs);
            let pieces: Vec<Bytes> = Pieces::of(message.clone()).collect();
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE_BYTES_MAX + COPIED_BYTES_MAX));
            let bytes = pieces.concat();
            assert_eq!(bytes[0], 0);
            assert_eq!(bytes[1..PREFIX_BYTES], (message.encoded_len() as u32).to_be_bytes());
            assert_eq!(bytes[PREFIX_BYTES..], message.encode_to_vec());
            let least = message.encoded_len() / (PIECE_BYTES_MAX + COPIED_BYTES_MAX);
            assert!((least..=2 * least + 2 * kvs.len() + 4).contains(&pieces.len()), "{} pieces", pieces.len());
        }
    }

    #[test]
    fn a_pair_is_let_go_of_when_it_has_been_copied() {
        let pair = Bytes::from(vec![1; 1_000]);
        let message = RangeResponse { kvs: vec![pair.clone(); 100], ..RangeResponse::default() };
        let mut pieces = Pieces::of(message);
        while pieces.next().is_some_and(|_| pieces.kvs.len() > 50) {}
        assert!(!pair.is_unique());
        while pieces.next().is_some() {}
        assert!(pair.is_unique());
    }
}
