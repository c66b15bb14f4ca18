//! Encodes the answer to a Range over 500 keys whose values have 256 bytes. The server does this from pairs that the
//! store holds encoded. Plain messages are encoded for comparison.

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use naxos_benches::load::keys::{Keys, Values};
use naxos_benches::load::work::ANSWER_KEYS;
use naxos_proto::etcd::client::{etcdserverpb as plain, mvccpb};
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::twins;
use prost::Message;

fn range_encoding(criterion: &mut Criterion) {
    let keys = Keys { prefix: "bench/".to_owned(), count: ANSWER_KEYS };
    let values = Values::new(256);
    let count = ANSWER_KEYS.cast_signed();
    let kvs: Vec<mvccpb::KeyValue> = (0..ANSWER_KEYS)
        .map(|n| mvccpb::KeyValue {
            key: keys.key(n),
            value: values.value(),
            create_revision: 1_000_000,
            mod_revision: 1_000_000 + n.cast_signed(),
            version: 3,
            ..Default::default()
        })
        .collect();
    let twin = twins::RangeResponse {
        header: Some(pb::ResponseHeader { cluster_id: 1 << 60, member_id: 1 << 60, revision: 2_000_000, raft_term: 2 }),
        kvs: kvs.iter().map(|kv| kv.encode_to_vec().into()).collect(),
        more: true,
        count,
        ..Default::default()
    };
    // What the server does with short answers: it frames the pairs under the store's lock and then copies them into
    // the message.
    let framed_first = || {
        let mut framed = BytesMut::with_capacity(twin.encoded_len());
        twin.kvs.iter().for_each(|kv| twins::put_kv(&mut framed, kv));
        twins::RangeResponse { header: twin.header, framed: framed.freeze(), more: true, count, ..Default::default() }
    };
    let plain = plain::RangeResponse { kvs, more: true, count, ..Default::default() };

    let mut group = criterion.benchmark_group("range_encoding");
    group.throughput(Throughput::Elements(ANSWER_KEYS));
    group.bench_function("held encoded", |bencher| bencher.iter(|| twin.encode_to_vec()));
    // What the server does with the further pairs of long answers: the message gets clones of the store's buffers,
    // which share the bytes, and is encoded later.
    group.bench_function("held encoded, cloned first", |bencher| bencher.iter(|| twin.clone().encode_to_vec()));
    group.bench_function("held encoded, framed first", |bencher| bencher.iter(|| framed_first().encode_to_vec()));
    group.bench_function("plain messages", |bencher| bencher.iter(|| plain.encode_to_vec()));
    group.finish();
}

criterion_group!(benches, range_encoding);
criterion_main!(benches);
