//! A Watch stream from its start to its end, over a real connection.

mod support;

use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::seams::{BootClock, Clock};
use pb::watch_client::WatchClient;
use std::time::Duration;
use support::{Server, block_on, kv};
use tonic::Streaming;
use tonic::transport::Endpoint;

/// No answer may take longer than this.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A Watch stream whose client creates these watchers and then ends its side.
async fn half_closed(address: &str, creates: Vec<pb::WatchCreateRequest>) -> Streaming<pb::WatchResponse> {
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let request =
        |create| pb::WatchRequest { request_union: Some(pb::watch_request::RequestUnion::CreateRequest(create)) };
    let requests = tokio_stream::iter(creates.into_iter().map(request).collect::<Vec<_>>());
    WatchClient::new(channel).watch(requests).await.unwrap().into_inner()
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
        let mut answers = half_closed(&address, vec![create]).await;
        assert!(next(&mut answers).await.unwrap().created);
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
        let mut answers = half_closed(&address, vec![create]).await;
        assert!(next(&mut answers).await.unwrap().created);
        assert_eq!(next(&mut answers).await.unwrap().compact_revision, 3);
        assert_eq!(next(&mut answers).await, None, "its only watcher has ended");
    });
    assert_eq!(server.terminate(), Some(0));
}
