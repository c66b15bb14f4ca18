//! Requests between replicas on two nodes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::ids::LogId;
use naxos_proto::peer::limits::{CALL_MAX, META_CALL_MAX};
use naxos_proto::peer::{Failure, Home, MetaService, RemoteReplica, Replica};
use naxos_proto::seams::Clock;
use tonic::service::Routes;

use crate::world::{CALLER, Network, SERVER, home, simulate};

/// Answers with the request itself, after a while; fails as the request says.
struct Echo(Arc<dyn Clock>);

impl Replica for Echo {
    fn serve(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, Failure>> {
        Box::pin(async move {
            self.0.sleep(Duration::from_millis(100)).await;
            match &request[..] {
                b"not done" => Err(Failure::NotDone("refused".to_owned())),
                b"lost" => Err(Failure::Lost("stopped".to_owned())),
                b"never" => std::future::pending().await,
                _ => Ok(request),
            }
        })
    }
}

fn serve(network: &Network) {
    let server = home(SERVER);
    network.serve(Routes::new(MetaService::server(&server, Arc::new(Echo(server.clock.clone())))));
}

#[test]
fn a_failure_says_whether_the_request_was_certainly_not_carried_out() {
    simulate(async {
        let (network, caller) = (Network::new(), home(CALLER));
        serve(&network);
        let replica = RemoteReplica::new(&network.link(caller.clone()));
        assert_eq!(replica.call(Bytes::from_static(b"vote")).await, Ok(Bytes::from_static(b"vote")));
        let not_done = replica.call(Bytes::from_static(b"not done")).await;
        assert_eq!(not_done, Err(Failure::NotDone("refused".to_owned())));
        assert_eq!(replica.call(Bytes::from_static(b"lost")).await, Err(Failure::Lost("stopped".to_owned())));
        let began = caller.clock.now();
        assert!(matches!(replica.call(Bytes::from_static(b"never")).await, Err(Failure::Lost(_))));
        assert_eq!(caller.clock.now().since(began).as_secs(), META_CALL_MAX.as_secs());
        assert!(META_CALL_MAX < CALL_MAX, "an election waits for such a request, so its limit must be shorter");

        let cut = async {
            caller.clock.sleep(Duration::from_millis(50)).await;
            network.cut();
        };
        let (sent, ()) = futures::join!(replica.call(Bytes::from_static(b"vote")), cut);
        assert!(matches!(sent, Err(Failure::Lost(_))), "it may have been carried out: {sent:?}");
        let away = replica.call(Bytes::from_static(b"vote")).await;
        assert!(matches!(away, Err(Failure::NotDone(_))), "nobody listens there: {away:?}");
        network.die();
        let away = replica.call(Bytes::from_static(b"vote")).await;
        assert!(matches!(away, Err(Failure::NotDone(_))), "no connection was made: {away:?}");
        serve(&network);
        let other = RemoteReplica::new(&network.link(Home { log: LogId(10), ..caller }));
        let refused = other.call(Bytes::from_static(b"vote")).await;
        assert!(matches!(refused, Err(Failure::OtherLog { log: LogId(9), .. })), "the gate refused it: {refused:?}");
        assert!(replica.call(Bytes::from_static(b"vote")).await.is_ok());
    });
}
