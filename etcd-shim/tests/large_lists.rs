//! Reads of many keys, short and long. The server makes these answers in different ways:
//!
//! - The pairs of a short list are encoded into the answer while the store is locked.
//! - A longer list is collected in several steps.
//! - Values that memory does not hold are read from rows of the local store.
//! - A long answer is sent in pieces, and a piece may end inside a pair.

mod support;

use naxos_proto::etcd::client::etcdserverpb as pb;
use support::{Server, block_on, kv};

const KEYS: i64 = 1_200;

fn key(n: i64) -> Vec<u8> {
    format!("key {n:04}").into_bytes()
}

/// The value of a key. No two keys have values of equal length or content.
fn value(n: i64, bytes: usize) -> Vec<u8> {
    (0..bytes + usize::try_from(n).unwrap()).map(|at| (at % 251) as u8 ^ n as u8).collect()
}

async fn check(address: &str, bytes: usize) {
    let mut kv = kv(address);
    for n in 0..KEYS {
        let put = pb::PutRequest { key: key(n).into(), value: value(n, bytes).into(), ..Default::default() };
        kv.put(put).await.unwrap();
    }
    for limit in [0, 1, 50, KEYS - 1, KEYS, KEYS + 1] {
        for count in [1, 40, KEYS] {
            let request =
                pb::RangeRequest { key: key(0).into(), range_end: key(count).into(), limit, ..Default::default() };
            let context = format!("values of {bytes} bytes, limit {limit}, {count} keys");
            let answer = kv.range(request).await.unwrap().into_inner();
            let given = if limit == 0 { count } else { limit.min(count) };
            assert_eq!((answer.count, answer.more), (count, given < count), "{context}");
            assert_eq!(answer.kvs.len() as i64, given, "{context}");
            for (n, pair) in (0..).zip(&answer.kvs) {
                assert!(pair.key == key(n) && pair.value == value(n, bytes), "{context}: pair {n}");
            }
            assert!(answer.header.is_some_and(|h| h.revision > KEYS && h.member_id != 0), "{context}");
        }
    }
}

#[test]
fn lists_of_any_size_hold_every_pair_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    // Every round has short lists, which are encoded as a whole while the store is locked, and lists of more than
    // 512 KiB, which are sent in pieces. In the last round every value is longer than a piece, so pieces end inside
    // pairs.
    block_on(async {
        for bytes in [0, 200, 1_000, 20_000] {
            check(&address, bytes).await;
        }
    });
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn lists_mix_values_in_memory_with_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &["--naxos-resident-bytes=100000"]);
    block_on(check(&address, 200));
    assert_eq!(server.terminate(), Some(0));
}
