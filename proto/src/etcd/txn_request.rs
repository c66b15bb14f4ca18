//! `etcdserverpb.TxnRequest`, which may be nested deeper than etcd accepts with its default flags.
//!
//! prost decodes at most 100 levels of messages, so that the stack does not overflow. A transaction within a
//! transaction takes two of these levels. Here each transaction gets 100 levels of its own, and the depth of the
//! transactions is checked before anything is decoded.

use bytes::{Buf, BufMut};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, message, skip_field};

use super::server::etcdserverpb::{Compare, RequestOp};

/// How deep transactions may be nested, counting the outermost one. Decoding a level takes about 2 KiB of stack. With
/// its default flags, etcd accepts at most 129 levels: a nested transaction counts as an operation of the transaction
/// around it, and `--max-txn-ops` allows 128 operations on each path from the outermost transaction inwards.
const DEPTH_MAX: usize = 256;
/// Tags of the message's fields.
const COMPARE: u32 = 1;
const SUCCESS: u32 = 2;
const FAILURE: u32 = 3;
/// Tag of `RequestOp.request_txn`.
const REQUEST_TXN: u32 = 4;

/// A transaction: if all compares hold, the operations of `success` are done, else those of `failure`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnRequest {
    /// The conditions of the transaction.
    pub compare: Vec<Compare>,
    /// The operations to do if all conditions hold.
    pub success: Vec<RequestOp>,
    /// The operations to do if one condition does not hold.
    pub failure: Vec<RequestOp>,
    /// Set instead of all other fields if the transactions are nested too deep to be decoded. Never encoded.
    pub is_too_deep: bool,
}

impl prost::Message for TxnRequest {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        self.compare.iter().for_each(|compare| message::encode(COMPARE, compare, buf));
        self.success.iter().for_each(|op| message::encode(SUCCESS, op, buf));
        self.failure.iter().for_each(|op| message::encode(FAILURE, op, buf));
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            COMPARE => message::merge_repeated(wire_type, &mut self.compare, buf, ctx),
            // The depth was checked before, so the levels may be counted from zero again.
            SUCCESS => message::merge_repeated(wire_type, &mut self.success, buf, DecodeContext::default()),
            FAILURE => message::merge_repeated(wire_type, &mut self.failure, buf, DecodeContext::default()),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    /// Called only for the outermost transaction.
    fn merge(&mut self, mut buf: impl Buf) -> Result<(), DecodeError> {
        let mut bytes = buf.copy_to_bytes(buf.remaining());
        if is_deeper(&bytes, DEPTH_MAX) {
            self.is_too_deep = true;
            return Ok(());
        }
        while bytes.has_remaining() {
            let (tag, wire_type) = decode_key(&mut bytes)?;
            self.merge_field(tag, wire_type, &mut bytes, DecodeContext::default())?;
        }
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        message::encoded_len_repeated(COMPARE, &self.compare)
            + message::encoded_len_repeated(SUCCESS, &self.success)
            + message::encoded_len_repeated(FAILURE, &self.failure)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Whether an encoded transaction is nested more than `depth_max` levels deep, counting the outermost one.
fn is_deeper(txn: &[u8], depth_max: usize) -> bool {
    let is_deeper_within =
        |op: &[u8]| any_field(op, |tag, nested| tag == REQUEST_TXN && is_deeper(nested, depth_max.saturating_sub(1)));
    depth_max == 0 || any_field(txn, |tag, op| (tag == SUCCESS || tag == FAILURE) && is_deeper_within(op))
}

/// Whether `is_wanted` holds for the tag and content of any length-delimited field. The fields of a group count as
/// fields of the message around it; at worst the message then looks deeper than it is. Broken bytes end the search, and
/// the decoder reports them.
fn any_field(mut message: &[u8], mut is_wanted: impl FnMut(u32, &[u8]) -> bool) -> bool {
    while let Ok((tag, wire_type)) = decode_key(&mut message) {
        let len = match wire_type {
            WireType::LengthDelimited => match decode_varint(&mut message) {
                Ok(len) => usize::try_from(len).unwrap_or(usize::MAX),
                Err(_) => return false,
            },
            WireType::Varint if decode_varint(&mut message).is_ok() => 0,
            WireType::StartGroup | WireType::EndGroup => 0,
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::Varint => return false,
        };
        let Some((field, rest)) = message.split_at_checked(len) else { return false };
        if wire_type == WireType::LengthDelimited && is_wanted(tag, field) {
            return true;
        }
        message = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;
    use prost::encoding::{encode_key, encode_varint};

    use super::*;
    use crate::etcd::client::etcdserverpb as plain;
    use crate::etcd::server::etcdserverpb::request_op::Request;

    /// The bytes of `levels` nested transactions, the innermost one empty. Made from the inside without recursion.
    fn nested(levels: usize, branch: u32) -> Bytes {
        let (mut heads, mut len) = (Vec::new(), 0_usize);
        for _ in 1..levels {
            for tag in [REQUEST_TXN, branch] {
                let mut head = Vec::new();
                encode_key(tag, WireType::LengthDelimited, &mut head);
                encode_varint(len as u64, &mut head);
                len += head.len();
                heads.push(head);
            }
        }
        heads.reverse();
        heads.concat().into()
    }

    fn depth(txn: &TxnRequest) -> usize {
        let nested = txn.success.iter().chain(&txn.failure).map(|op| match &op.request {
            Some(Request::RequestTxn(txn)) => depth(txn),
            _ => 0,
        });
        1 + nested.max().unwrap_or(0)
    }

    #[test]
    fn transactions_are_decoded_and_encoded_as_deep_as_etcd_takes_them() {
        for branch in [SUCCESS, FAILURE] {
            for levels in [1, 2, 50, 128, DEPTH_MAX] {
                let bytes = nested(levels, branch);
                let txn = TxnRequest::decode(bytes.clone()).expect("a transaction");
                assert_eq!((depth(&txn), txn.is_too_deep), (levels, false));
                assert_eq!(txn.encode_to_vec(), bytes);
            }
        }
    }

    #[test]
    fn deeper_transactions_are_not_decoded_at_all() {
        for levels in [DEPTH_MAX + 1, 1_000, 100_000] {
            let txn = TxnRequest::decode(nested(levels, SUCCESS)).expect("a transaction that is too deep");
            assert_eq!(txn, TxnRequest { is_too_deep: true, ..TxnRequest::default() });
        }
    }

    #[test]
    fn groups_within_each_other_are_left_to_the_limit_of_prost() {
        let group = [0x4b; 100_000];
        assert!(TxnRequest::decode(&group[..]).is_err());
        let mut op = vec![0x12, 0xa0, 0x8d, 0x06];
        op.extend(group);
        assert!(TxnRequest::decode(&op[..]).is_err());
    }

    #[test]
    fn a_transaction_reads_back_as_the_plain_message() {
        let put = plain::PutRequest { key: "k".into(), value: "v".into(), ..Default::default() };
        let put = plain::RequestOp { request: Some(plain::request_op::Request::RequestPut(put)) };
        let compare = plain::Compare { key: "k".into(), target: 3, ..Default::default() };
        let txn =
            plain::TxnRequest { compare: vec![compare], success: vec![put.clone()], failure: vec![put.clone(), put] };
        let twin = TxnRequest::decode(&txn.encode_to_vec()[..]).expect("a transaction");
        assert_eq!((twin.compare.len(), twin.success.len(), twin.failure.len()), (1, 1, 2));
        assert_eq!((twin.encoded_len(), twin.encode_to_vec()), (txn.encoded_len(), txn.encode_to_vec()));
    }
}
