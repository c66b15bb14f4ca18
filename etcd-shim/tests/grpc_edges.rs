//! Calls that gRPC does not allow, or that no service has, are answered as grpc-go answers them.

mod support;

use naxos_proto::etcd::client::etcdserverpb as pb;
use prost::Message;
use support::{RawAnswer, Server, block_on, get, raw_call};
use tonic::Code;

const GRPC: (&str, &str) = ("POST", "application/grpc");

fn of(answer: &RawAnswer) -> (u16, Code, &str) {
    (answer.http, answer.code, &answer.text)
}

#[test]
fn calls_outside_the_rules_get_the_answers_of_grpc_go() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        let range = pb::RangeRequest { key: "k".into(), ..Default::default() }.encode_to_vec();
        let path = "/etcdserverpb.KV/Range";
        let call = async |of, path, timeout: Option<&str>| {
            let headers: Vec<(&str, &str)> = timeout.map(|timeout| ("grpc-timeout", timeout)).into_iter().collect();
            raw_call(&address, of, path, &headers, &range).await
        };
        assert_eq!(of(&call(GRPC, path, None).await), (200, Code::Ok, ""));
        assert_eq!(of(&call(GRPC, path, Some("10S")).await), (200, Code::Ok, ""));

        let late = (200, Code::DeadlineExceeded, "context deadline exceeded");
        assert_eq!(of(&call(GRPC, path, Some("0n")).await), late);
        let text = "malformed grpc-timeout: transport: timeout string is too short: \"5\"";
        assert_eq!(of(&call(GRPC, path, Some("5")).await), (400, Code::Internal, text));
        let text = "malformed grpc-timeout: strconv.ParseUint: parsing \"-1\": invalid syntax";
        assert_eq!(of(&call(GRPC, path, Some("-1S")).await), (400, Code::Internal, text));

        for (path, text) in [
            ("/etcdserverpb.KV/Foo", "unknown method Foo for service etcdserverpb.KV"),
            ("/no.Such/Foo", "unknown service no.Such"),
            ("/a/etcdserverpb.KV/Foo", "unknown service a/etcdserverpb.KV"),
            ("/nothing", "malformed method name: \"/nothing\""),
        ] {
            assert_eq!(of(&call(GRPC, path, None).await), (200, Code::Unimplemented, text));
        }
        let text = "Received a HEADERS frame with :method \"GET\" which should be POST";
        assert_eq!(of(&call(("GET", GRPC.1), path, None).await), (405, Code::Internal, text));
        for kind in ["application/grpc-web", "application/json"] {
            let text = format!("invalid gRPC request content-type {kind:?}");
            for method in ["POST", "GET"] {
                let answer = call((method, kind), path, None).await;
                assert_eq!(of(&answer), (415, Code::InvalidArgument, text.as_str()), "{method}");
            }
        }

        // When the time-out of a watch has passed, the watch ends with the same status, although answers were sent
        // already.
        let create = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
        let create = pb::WatchRequest { request_union: Some(pb::watch_request::RequestUnion::CreateRequest(create)) };
        let headers = [("grpc-timeout", "200m")];
        let answer = raw_call(&address, GRPC, "/etcdserverpb.Watch/Watch", &headers, &create.encode_to_vec()).await;
        assert_eq!(of(&answer), late);
        let created = pb::WatchResponse::decode(&answer.body[5..]).unwrap();
        assert!(created.created && !created.canceled);
    });
    let answer = get(&address, "//health");
    assert!(answer.starts_with("HTTP/1.1 307 ") && answer.to_lowercase().contains("location: /health\r\n"), "{answer}");
    assert_eq!(server.terminate(), Some(0));
}
