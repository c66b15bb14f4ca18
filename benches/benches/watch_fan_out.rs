//! The cost of a batch of 16 encoded events for 100 watchers of one range. The events are joined in one buffer once.
//! Then an answer with that buffer is encoded for each watcher.

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use naxos_benches::load::keys::{Keys, Values};
use naxos_proto::etcd::client::mvccpb;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::twins::{self, WatchResponse};
use prost::Message;

/// Number of events in one committed batch.
const EVENTS: u64 = 16;

/// Number of watchers of the range.
const WATCHERS: u64 = 100;

fn watch_fan_out(criterion: &mut Criterion) {
    let keys = Keys { prefix: "bench/".to_owned(), count: EVENTS };
    let values = Values::new(256);
    let event = |n| mvccpb::Event {
        kv: Some(mvccpb::KeyValue { key: keys.key(n), value: values.value(), mod_revision: 7, ..Default::default() }),
        ..Default::default()
    };
    let events: Vec<Bytes> = (0..EVENTS).map(|n| event(n).encode_to_vec().into()).collect();
    let joined = join(&events);

    let mut group = criterion.benchmark_group("watch_fan_out");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("events of a batch, once", |bencher| bencher.iter(|| join(&events)));
    group.throughput(Throughput::Elements(EVENTS * WATCHERS));
    group.bench_function("answers of all watchers", |bencher| {
        bencher.iter(|| (0..WATCHERS).map(|id| answer(id, joined.clone()).encode_to_vec().len()).sum::<usize>());
    });
    group.finish();
}

fn join(events: &[Bytes]) -> Bytes {
    let mut joined = BytesMut::with_capacity(events.iter().map(|event| twins::event_len(event.len())).sum());
    for event in events {
        twins::put_event(&mut joined, event);
    }
    joined.freeze()
}

fn answer(watch_id: u64, events: Bytes) -> WatchResponse {
    let header = pb::ResponseHeader { cluster_id: 1 << 60, member_id: 1 << 60, revision: 7, raft_term: 2 };
    WatchResponse { header: Some(header), watch_id: watch_id.cast_signed(), events, ..WatchResponse::default() }
}

criterion_group!(benches, watch_fan_out);
criterion_main!(benches);
