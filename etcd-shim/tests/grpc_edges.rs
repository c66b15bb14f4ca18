//! Calls that gRPC does not allow, or that no service has, are answered as grpc-go answers them.

mod support;

use std::io::{Read, Write};

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

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header of a request (RFC 7541, 6.2.2: a literal without a name of the table).
fn header(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

#[test]
fn a_stream_may_have_any_number_of_empty_frames() {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const GO_AWAY: u8 = 7;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    const EMPTY_FRAMES: usize = 200_000;
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    let mut io = std::net::TcpStream::connect(&address).unwrap();
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/etcdserverpb.KV/Range"),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let headers = headers.map(|(name, value)| header(name, value)).concat();
    io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    io.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
    io.write_all(&frame(HEADERS, END_HEADERS, 1, &headers)).unwrap();
    io.write_all(&frame(DATA, 0, 1, &[]).repeat(EMPTY_FRAMES)).unwrap();
    let range = pb::RangeRequest { key: "k".into(), ..Default::default() }.encode_to_vec();
    let message = [&[0][..], &u32::try_from(range.len()).unwrap().to_be_bytes(), &range].concat();
    io.write_all(&frame(DATA, END_STREAM, 1, &message)).unwrap();
    let mut answered = false;
    loop {
        let mut head = [0; 9];
        io.read_exact(&mut head).unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        io.read_exact(&mut payload).unwrap();
        let (kind, flags) = (head[3], head[4]);
        assert_ne!(kind, GO_AWAY, "the connection was ended: {payload:?}");
        answered |= kind == DATA && !payload.is_empty();
        if kind == HEADERS && flags & END_STREAM != 0 {
            break;
        }
    }
    assert!(answered, "the call failed");
    assert_eq!(server.terminate(), Some(0));
}
