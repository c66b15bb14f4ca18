//! Calls that are not meant for the node that they reach, and bytes that are no calls.

use std::sync::Arc;

use hyper_util::rt::TokioIo;
use naxos_proto::contracts::{StorageUnit, UnitError};
use naxos_proto::ids::{LogId, Offset, StorageId};
use naxos_proto::peer::generated::unit_client::UnitClient;
use naxos_proto::peer::generated::{self as wire, unit_call};
use naxos_proto::peer::{Connector, Home, PeerLink, RemoteUnit, UnitService};
use naxos_proto::seams::Address;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use crate::fake_unit::FakeUnit;
use crate::world::{CALLER, LOGLET, Network, SERVER, home, simulate};

fn serve(network: &Network, fake: &Arc<FakeUnit>) {
    network.serve(Routes::new(UnitService::server(&home(SERVER), fake.clone())));
}

#[test]
fn a_caller_of_another_cluster_or_with_a_wrong_address_changes_nothing_and_learns_why() {
    simulate(async {
        let other_log = Home { log: LogId(10), ..home(CALLER) };
        for (caller, peer, words) in [
            (other_log, SERVER, "another cluster: expected 0000000000000009, found 000000000000000a"),
            (home(CALLER), 5, "another node, so the caller has a wrong address: expected 0000000000000002, found"),
        ] {
            let (network, fake) = (Network::new(), FakeUnit::new(true));
            serve(&network, &fake);
            let address = Address::Tcp("server:2380".to_owned());
            let link = PeerLink::new(caller, StorageId(peer), address, Arc::new(network.clone()));
            let unit = RemoteUnit::new(&link);
            // One call goes over the stream, the other one is unary.
            assert_eq!(unit.seal(LOGLET).await, Err(UnitError::Unanswered));
            assert!(link.problem().is_some_and(|problem| problem.contains(words)), "{:?}", link.problem());
            let read = unit.read(LOGLET, Offset(0)..Offset(1), 1).await;
            assert_eq!(read, Err(UnitError::Unanswered));
            assert!(link.problem().is_some_and(|problem| problem.contains(words)), "{:?}", link.problem());
            assert_eq!(fake.calls(), []);
        }
    });
}

/// A channel that adds no headers, so that the test chooses them.
fn channel(network: &Network) -> Channel {
    let network = network.clone();
    let dial = tower::service_fn(move |_| {
        let network = network.clone();
        async move { network.connect(&Address::Tcp(String::new())).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://server").connect_with_connector_lazy(dial)
}

fn with_headers<T>(message: T, version: &'static str) -> Request<T> {
    let mut request = Request::new(message);
    for (name, text) in [
        ("naxos-wire", version),
        ("naxos-log", "0000000000000009"),
        ("naxos-from", "0000000000000001.3"),
        ("naxos-to", "0000000000000002"),
        ("naxos-chain", "1"),
    ] {
        request.metadata_mut().insert(name, text.parse().unwrap());
    }
    request
}

fn loglet() -> wire::LogletId {
    wire::LogletId { log: 9, ordinal: 1, nonce: 5 }
}

#[test]
fn a_newer_version_of_the_wire_is_refused_for_calls_and_streams() {
    simulate(async {
        let (network, fake) = (Network::new(), FakeUnit::new(true));
        serve(&network, &fake);
        let mut client = UnitClient::new(channel(&network));
        let held = || wire::HeldRequest { loglet: Some(loglet()), start: 0, end: 1 };
        assert!(client.held(with_headers(held(), "1")).await.is_ok());
        let refused = client.held(with_headers(held(), "2")).await.unwrap_err();
        let words = "the caller speaks another version of the peer protocol: expected 1, found 2";
        assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, words));
        let stream = futures::stream::pending::<wire::UnitCalls>();
        let refused = client.change(with_headers(stream, "2")).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, words));
        let refused = client.held(Request::new(held())).await.unwrap_err();
        assert_eq!(refused.message(), "expected a header naxos-wire, found none");
        assert_eq!(fake.calls(), [("held", 0)]);
    });
}

#[test]
fn a_broken_frame_ends_its_stream_and_changes_nothing() {
    simulate(async {
        let (network, fake) = (Network::new(), FakeUnit::new(true));
        serve(&network, &fake);
        let mut client = UnitClient::new(channel(&network));
        let seal = |number| wire::UnitCall { number, call: Some(unit_call::Call::Seal(loglet())) };
        let shapeless = wire::Open { loglet: Some(loglet()), shape: 77, incarnation: Some(Default::default()) };
        let open = wire::UnitCall { number: 3, call: Some(unit_call::Call::Open(shapeless)) };
        let good = wire::UnitCalls { chain: 1, advances: Vec::new(), calls: vec![seal(1)] };
        let tail = wire::Advance { loglet: Some(loglet()), known_tail: 4 };
        let bad = wire::UnitCalls { chain: 1, advances: vec![tail], calls: vec![seal(2), open] };
        let frames = futures::stream::iter([good, bad]);
        let mut answers = client.change(with_headers(frames, "1")).await.unwrap().into_inner();
        let mut numbers = Vec::new();
        let status = loop {
            match answers.message().await {
                Ok(Some(frame)) => numbers.extend(frame.answers.iter().map(|answer| answer.number)),
                Ok(None) => panic!("the stream ended without a status"),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "a message between nodes is broken: the shape of a loglet is missing or invalid");
        assert_eq!(numbers, [1]);
        assert_eq!(fake.calls(), [("seal", 0)], "nothing of the broken frame was carried out");
        // The node goes on serving.
        assert!(
            client
                .held(with_headers(wire::HeldRequest { loglet: Some(loglet()), start: 0, end: 1 }, "1"))
                .await
                .is_ok()
        );
        let refused = client.held(with_headers(wire::HeldRequest::default(), "1")).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    });
}
