//! A Watch stream from its start to its end, over a real connection.

mod support;

use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::seams::{BootClock, Clock};
use pb::watch_client::WatchClient;
use std::time::Duration;
use support::{Server, block_on, kv};
use tonic::transport::Endpoint;

/// No event may take longer than this.
const EVENT_LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_watch_goes_on_when_its_client_has_said_all() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let create = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
        let create = pb::WatchRequest { request_union: Some(pb::watch_request::RequestUnion::CreateRequest(create)) };
        let requests = tokio_stream::iter([create]);
        let mut answers = WatchClient::new(channel).watch(requests).await.unwrap().into_inner();
        assert!(answers.message().await.unwrap().unwrap().created);
        let put = pb::PutRequest { key: "k".into(), value: "v".into(), ..Default::default() };
        kv(&address).put(put).await.unwrap();
        let event = tokio::select! {
            answer = answers.message() => answer.unwrap().expect("the stream goes on").events.remove(0),
            () = BootClock.sleep(EVENT_LIMIT) => panic!("no event"),
        };
        assert_eq!(event.kv.unwrap().value, &b"v"[..]);
    });
    assert_eq!(server.terminate(), Some(0));
}
