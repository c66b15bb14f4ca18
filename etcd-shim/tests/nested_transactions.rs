//! Nested transactions, as deep as etcd takes them and deeper.

mod support;

use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::request_op::Request;
use prost::Message;
use support::{Server, block_on, kv, raw_call};
use tonic::Code;

/// How deep the transactions of this test may be nested. It is etcd's default of `--max-txn-ops`, because each of these
/// transactions has exactly one operation, and the operations on the path to the innermost one are added up.
const DEPTH_MAX: usize = 128;

/// The bytes of a put of "k" within `levels` nested transactions. Built without recursion, because there may be very
/// many levels.
fn nested(levels: usize, value: &str) -> Vec<u8> {
    let put = pb::PutRequest { key: "k".into(), value: value.to_owned().into(), ..Default::default() };
    let put = pb::RequestOp { request: Some(Request::RequestPut(put)) };
    let innermost = pb::TxnRequest { success: vec![put], ..Default::default() }.encode_to_vec();
    let (mut heads, mut len) = (vec![innermost.clone()], innermost.len());
    for _ in 1..levels {
        // The fields `RequestOp.request_txn` and `TxnRequest.success`.
        for tag in [0x22, 0x12] {
            let mut head = vec![tag];
            prost::encoding::encode_varint(len as u64, &mut head);
            len += head.len();
            heads.push(head);
        }
    }
    heads.reverse();
    heads.concat()
}

async fn txn(address: &str, message: &[u8]) -> (Code, String) {
    let answer = raw_call(address, ("POST", "application/grpc"), "/etcdserverpb.KV/Txn", &[], message).await;
    (answer.code, answer.text)
}

async fn value(address: &str) -> Vec<u8> {
    let range = pb::RangeRequest { key: "k".into(), ..Default::default() };
    kv(address).range(range).await.unwrap().into_inner().kvs[0].value.to_vec()
}

#[test]
fn transactions_nest_as_deep_as_in_etcd() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        for levels in [1, 49, 50, 51, DEPTH_MAX] {
            let text = format!("at level {levels}");
            assert_eq!(txn(&address, &nested(levels, &text)).await, (Code::Ok, String::new()), "{levels} levels");
            assert_eq!(value(&address).await, text.as_bytes());
        }
        let refused = (Code::InvalidArgument, "etcdserver: too many operations in txn request".to_owned());
        for levels in [DEPTH_MAX + 1, 257, 1_000, 100_000] {
            assert_eq!(txn(&address, &nested(levels, "no")).await, refused, "{levels} levels");
        }
    });
    assert_eq!(server.terminate(), Some(0));
    // The log is replayed at this start.
    let (server, address) = Server::serving(dir.path(), &["--max-txn-ops=1000"]);
    block_on(async {
        assert_eq!(value(&address).await, format!("at level {DEPTH_MAX}").as_bytes());
        assert_eq!(txn(&address, &nested(256, "deepest")).await.0, Code::Ok);
        assert_eq!(value(&address).await, b"deepest");
    });
    assert_eq!(server.terminate(), Some(0));
}
