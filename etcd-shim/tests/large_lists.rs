//! Reads of many keys, short and long. The server makes these answers in different ways:
//!
//! - The pairs of a short list are encoded into the answer while the store is locked.
//! - A longer list is collected in several steps.
//! - Values that memory does not hold are read from rows of the local store.
//! - A long answer is sent in pieces, and a piece may end inside a pair.

mod support;

use std::pin::pin;
use std::time::Duration;

use futures::stream::pending;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::seams::{BootClock, Clock};
use pb::kv_client::KvClient;
use pb::watch_client::WatchClient;
use support::{Server, block_on, kv};
use tokio_stream::StreamExt;
use tonic::transport::Endpoint;

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

#[test]
fn a_watch_on_the_connection_of_a_long_list_does_not_wait_for_it() {
    const VALUES: i64 = 64;
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        let mut other = kv(&address);
        for n in 0..VALUES {
            let put = pb::PutRequest { key: key(n).into(), value: vec![b'v'; 1 << 20].into(), ..Default::default() };
            other.put(put).await.unwrap();
        }
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let create = pb::WatchCreateRequest { key: "watched".into(), ..Default::default() };
        let create = pb::watch_request::RequestUnion::CreateRequest(create);
        let requests = tokio_stream::iter([pb::WatchRequest { request_union: Some(create) }]).chain(pending());
        let mut events = WatchClient::new(channel.clone()).watch(requests).await.unwrap().into_inner();
        assert!(events.message().await.unwrap().unwrap().created);
        let mut lists = KvClient::new(channel).max_decoding_message_size(usize::MAX);
        for round in 0..3 {
            let all = pb::RangeRequest { key: key(0).into(), range_end: key(VALUES).into(), ..Default::default() };
            let mut list = pin!(lists.range(all));
            // The list begins.
            tokio::select! {
                biased;
                _ = &mut list => panic!("64 MiB came within a millisecond"),
                () = BootClock.sleep(Duration::from_millis(1)) => {}
            }
            let put = pb::PutRequest { key: "watched".into(), ..Default::default() };
            other.put(put).await.unwrap();
            tokio::select! {
                biased;
                event = events.message() => assert_eq!(event.unwrap().unwrap().events.len(), 1),
                _ = &mut list => panic!("round {round}: the event came after the whole list"),
            }
            assert_eq!(list.await.unwrap().into_inner().count, VALUES);
        }
    });
    assert_eq!(server.terminate(), Some(0));
}
