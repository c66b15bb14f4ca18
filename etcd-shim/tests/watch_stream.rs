//! Streams from their start to their end, over a real connection: Watch, and the keep-alives of leases.

mod support;

use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::seams::{BootClock, Clock};
use pb::lease_client::LeaseClient;
use pb::watch_client::WatchClient;
use std::collections::BTreeSet;
use std::time::Duration;
use support::{Server, block_on, get, kv};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// No answer may take longer than this.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

async fn connect(address: &str) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// A Watch stream whose client creates these watchers and then ends its side.
async fn half_closed(address: &str, creates: Vec<pb::WatchCreateRequest>) -> Streaming<pb::WatchResponse> {
    let channel = connect(address).await;
    let request =
        |create| pb::WatchRequest { request_union: Some(pb::watch_request::RequestUnion::CreateRequest(create)) };
    let requests = tokio_stream::iter(creates.into_iter().map(request).collect::<Vec<_>>());
    WatchClient::new(channel).watch(requests).await.unwrap().into_inner()
}

/// As [`half_closed`], with one watcher, which the server has created.
async fn one_watcher(address: &str, create: pb::WatchCreateRequest) -> Streaming<pb::WatchResponse> {
    let mut answers = half_closed(address, vec![create]).await;
    assert!(next(&mut answers).await.unwrap().created);
    answers
}

/// The next answer; `None` at the end of the stream.
async fn next(answers: &mut Streaming<pb::WatchResponse>) -> Option<pb::WatchResponse> {
    tokio::select! {
        answer = answers.message() => answer.unwrap(),
        () = BootClock.sleep(ANSWER_LIMIT) => panic!("no answer and no end"),
    }
}

#[test]
fn a_watch_goes_on_when_its_client_has_said_all() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        let create = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
        let mut answers = one_watcher(&address, create).await;
        let put = pb::PutRequest { key: "k".into(), value: "v".into(), ..Default::default() };
        kv(&address).put(put).await.unwrap();
        let event = next(&mut answers).await.expect("the stream goes on").events.remove(0);
        assert_eq!(event.kv.unwrap().value, &b"v"[..]);
    });
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_stream_ends_when_its_client_has_said_all_and_its_last_watcher_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        assert_eq!(next(&mut half_closed(&address, Vec::new()).await).await, None, "it never had a watcher");
        for _ in 0..3 {
            kv(&address).put(pb::PutRequest { key: "k".into(), ..Default::default() }).await.unwrap();
        }
        kv(&address).compact(pb::CompactionRequest { revision: 3, physical: true }).await.unwrap();
        let create = pb::WatchCreateRequest { key: "k".into(), start_revision: 1, ..Default::default() };
        let mut answers = one_watcher(&address, create).await;
        assert_eq!(next(&mut answers).await.unwrap().compact_revision, 3);
        assert_eq!(next(&mut answers).await, None, "its only watcher has ended");
    });
    assert_eq!(server.terminate(), Some(0));
}

/// Waits until the metrics' counts of ended streams are `expected`. Counts that are 0 are left out.
async fn are_counted(address: &str, expected: &[&str]) {
    let deadline = BootClock.now().after(ANSWER_LIMIT);
    loop {
        let text = get(address, "/metrics");
        let lines = text.lines().filter_map(|line| line.strip_prefix("grpc_server_handled_total"));
        let lines: BTreeSet<_> = lines.filter(|line| line.contains("bidi_stream") && !line.ends_with(" 0")).collect();
        if lines == BTreeSet::from_iter(expected.iter().copied()) {
            return;
        }
        assert!(BootClock.now() < deadline, "expected {expected:?}, found {lines:?}");
        BootClock.sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_stream_is_counted_with_the_code_with_which_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        // This client has a watcher, and leaves.
        let create = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
        drop(one_watcher(&address, create).await);
        // This client asks for one keep-alive and leaves its side open. Its connection ends together with its runtime.
        let requests = tokio_stream::once(pb::LeaseKeepAliveRequest { id: 5 });
        let requests = tokio_stream::StreamExt::chain(requests, tokio_stream::pending());
        let mut answers =
            LeaseClient::new(connect(&address).await).lease_keep_alive(requests).await.unwrap().into_inner();
        assert_eq!(answers.message().await.unwrap().unwrap().ttl, 0);
    });
    block_on(async {
        let keep_alive =
            "grpc_method=\"LeaseKeepAlive\",grpc_service=\"etcdserverpb.Lease\",grpc_type=\"bidi_stream\"} 1";
        let watch = "grpc_method=\"Watch\",grpc_service=\"etcdserverpb.Watch\",grpc_type=\"bidi_stream\"} 1";
        let [keep_alive, watch] = [keep_alive, watch].map(|labels| format!("{{grpc_code=\"Canceled\",{labels}"));
        are_counted(&address, &[&keep_alive, &watch]).await;
        // This stream ends by itself.
        assert_eq!(next(&mut half_closed(&address, Vec::new()).await).await, None);
        let ended = watch.replace("Canceled", "OK");
        are_counted(&address, &[&keep_alive, &ended, &watch]).await;
    });
    assert_eq!(server.terminate(), Some(0));
}
