//! Wrong requests to a running server: random bytes as messages, broken frames, broken HTTP/2, extreme values, sizes
//! above the limits. The server answers each of them or ends its connection; errors have etcd's words where etcd has
//! some. It does not panic, and goes on serving all other requests.

#![expect(clippy::disallowed_methods, reason = "a test's tasks end with the test")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use naxos_engines::stack::ENGINES;
use naxos_proto::control::SetEngineRequest;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::seams::sim::SeededEntropy;
use naxos_proto::seams::{BootClock, Clock, Entropy};
use prost::Message;
use support::{Server, block_on, get, kv};
use tonic::Code;

/// No answer may take longer than this.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const METHODS: [&str; 24] = [
    "etcdserverpb.KV/Range",
    "etcdserverpb.KV/Put",
    "etcdserverpb.KV/DeleteRange",
    "etcdserverpb.KV/Txn",
    "etcdserverpb.KV/Compact",
    "etcdserverpb.Watch/Watch",
    "etcdserverpb.Lease/LeaseGrant",
    "etcdserverpb.Lease/LeaseRevoke",
    "etcdserverpb.Lease/LeaseKeepAlive",
    "etcdserverpb.Lease/LeaseTimeToLive",
    "etcdserverpb.Lease/LeaseLeases",
    "etcdserverpb.Cluster/MemberAdd",
    "etcdserverpb.Cluster/MemberList",
    "etcdserverpb.Cluster/MemberRemove",
    "etcdserverpb.Maintenance/Alarm",
    "etcdserverpb.Maintenance/Status",
    "etcdserverpb.Maintenance/HashKV",
    "etcdserverpb.Maintenance/Snapshot",
    "etcdserverpb.Auth/Authenticate",
    "grpc.health.v1.Health/Check",
    "naxos.control.v1.Control/SetEngine",
    "naxos.control.v1.Control/Status",
    "no.such.Service/Method",
    "etcdserverpb.KV/NoSuchMethod",
];

type Sender = SendRequest<Full<Bytes>>;

async fn connect(address: &str) -> Sender {
    let io = tokio::net::TcpStream::connect(address).await.unwrap();
    io.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The status of a call whose body is exactly `body`; `None` if the stream or the connection was broken off.
async fn call(sender: &mut Sender, method: &str, body: Vec<u8>) -> Option<tonic::Status> {
    let request = http::Request::post(format!("http://localhost/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(body.into()))
        .unwrap();
    let answered = async {
        let response = sender.send_request(request).await.ok()?;
        assert_eq!(response.status(), 200, "{method}");
        if let Some(status) = tonic::Status::from_header_map(response.headers()) {
            return Some(status);
        }
        let body = response.into_body().collect().await.ok()?;
        body.trailers().and_then(tonic::Status::from_header_map)
    };
    tokio::select! {
        answer = answered => answer,
        () = BootClock.sleep(ANSWER_LIMIT) => panic!("{method} does not answer"),
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

/// The body of a call that ends by itself. A stream with a watcher goes on after its client has closed its side, so a
/// frame that is not valid is added to end it.
fn said_all(method: &str, message: &[u8]) -> Vec<u8> {
    let mut body = framed(message);
    if method.ends_with("Watch") {
        body.extend([2, 0, 0, 0, 0]);
    }
    body
}

fn random(entropy: &SeededEntropy, below: u64) -> Vec<u8> {
    (0..entropy.u64() % below).map(|_| entropy.u64() as u8).collect()
}

/// Checks that the server serves and did not panic.
async fn serves(server: &mut Server, address: &str) {
    let mut kv = kv(address);
    let put = pb::PutRequest { key: "alive".into(), value: "yes".into(), ..pb::PutRequest::default() };
    kv.put(put).await.unwrap();
    let range = pb::RangeRequest { key: "alive".into(), ..pb::RangeRequest::default() };
    assert_eq!(kv.range(range).await.unwrap().into_inner().count, 1);
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn random_bytes_as_messages_are_answered_and_nothing_panics() {
    let dir = tempfile::tempdir().unwrap();
    let (mut server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        let entropy = SeededEntropy::new(1);
        let mut sender = connect(&address).await;
        let seed = pb::PutRequest { key: "k".into(), value: "v".into(), lease: 7, prev_kv: true, ..Default::default() };
        let seed = seed.encode_to_vec();
        for round in 0..150 {
            for method in METHODS {
                let message = match round % 3 {
                    0 => random(&entropy, 200),
                    1 => {
                        // Use the tags of the first fields, so that more of the message can be decoded.
                        let fields = (0..entropy.u64() % 8).flat_map(|_| {
                            let (tag, len) = ((entropy.u64() % 12 + 1) << 3, entropy.u64() % 4);
                            let wire = [0, 2][(entropy.u64() % 2) as usize];
                            let mut field = vec![tag as u8 | wire];
                            field.extend(if wire == 0 { vec![entropy.u64() as u8 & 0x7f] } else { vec![len as u8] });
                            if wire == 2 {
                                field.extend((0..len).map(|_| entropy.u64() as u8));
                            }
                            field
                        });
                        fields.collect()
                    }
                    _ => {
                        let mut message = seed.clone();
                        let at = entropy.u64() as usize % message.len();
                        message[at] = entropy.u64() as u8;
                        message
                    }
                };
                // Watches and leases may get random ids. But no engine may be switched, because that would change what
                // is tested.
                let switch = SetEngineRequest::decode(&message[..]);
                let names_an_engine = switch.is_ok_and(|r| ENGINES.iter().any(|engine| engine.name == r.name));
                if method.ends_with("SetEngine") && names_an_engine {
                    continue;
                }
                assert!(call(&mut sender, method, said_all(method, &message)).await.is_some(), "{method}: {message:?}");
            }
        }
        serves(&mut server, &address).await;
    });
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn broken_frames_are_errors_of_their_own_call() {
    let dir = tempfile::tempdir().unwrap();
    let (mut server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        let mut sender = connect(&address).await;
        let good = framed(&pb::RangeRequest { key: "k".into(), ..Default::default() }.encode_to_vec());
        let with = |flag: u8, len: u32, rest: &[u8]| {
            let mut frame = vec![flag];
            frame.extend(len.to_be_bytes());
            frame.extend(rest);
            frame
        };
        for method in METHODS.into_iter().filter(|m| m.starts_with("etcdserverpb.")) {
            for body in [
                Vec::new(),
                vec![0],
                vec![0, 0, 0],
                good[..good.len() - 1].to_vec(),
                with(0, 9, b"short"),
                with(1, 3, b"abc"),
                with(2, 3, b"abc"),
                with(255, 3, b"abc"),
                with(0, u32::MAX, b""),
                with(0, 1 << 31, &[0; 1_000]),
                with(0, 2_097_153, b""),
            ] {
                if body.is_empty() && method.ends_with("Watch") {
                    continue; // `tests/watch_stream.rs` shows how a watch without a message ends.
                }
                let status = call(&mut sender, method, body.clone()).await;
                let code = status.as_ref().map(tonic::Status::code);
                // A stream may end without a message. Every other call without a message is an error.
                let streams = method.ends_with("Watch") || method.ends_with("KeepAlive");
                let fine = code.is_some_and(|c| c != Code::Ok || (streams && body.len() < 5));
                assert!(fine, "{method} {:?}: {status:?}", &body[..body.len().min(9)]);
            }
            assert!(call(&mut sender, method, [good.clone(), b"rest".to_vec()].concat()).await.is_some(), "{method}");
        }
        for length in [2_097_153_u32, u32::MAX] {
            for method in ["etcdserverpb.KV/Put", "etcdserverpb.Watch/Watch", "etcdserverpb.Lease/LeaseKeepAlive"] {
                let status = call(&mut sender, method, with(0, length, b"")).await.unwrap();
                let text = format!("grpc: received message larger than max ({length} vs. 2097152)");
                assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, text.as_str()), "{method}");
            }
        }
        serves(&mut server, &address).await;
    });
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn broken_http2_ends_its_own_connection_only() {
    let dir = tempfile::tempdir().unwrap();
    let (mut server, address) = Server::serving(dir.path(), &[]);
    let entropy = SeededEntropy::new(2);
    // This connection has begun a request, and must not notice what happens on the others.
    let mut good = TcpStream::connect(&address).unwrap();
    good.set_read_timeout(Some(ANSWER_LIMIT)).unwrap();
    good.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n").unwrap();
    for round in 0..300_u64 {
        let mut io = TcpStream::connect(&address).unwrap();
        io.set_read_timeout(Some(ANSWER_LIMIT)).unwrap();
        let mut bytes = match round % 3 {
            0 => Vec::new(),
            1 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
            _ => b"POST /etcdserverpb.KV/Range HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n".to_vec(),
        };
        for _ in 0..entropy.u64() % 20 {
            if round % 3 == 1 {
                // Make a frame that can be read: length, type, flags, stream.
                let body = random(&entropy, 40);
                bytes.extend([0, 0, body.len() as u8, (entropy.u64() % 11) as u8, entropy.u64() as u8, 0, 0, 0]);
                bytes.push((entropy.u64() % 6) as u8);
                bytes.extend(body);
            } else {
                bytes.extend(random(&entropy, 60));
            }
        }
        // The server may have closed the connection already.
        let _ = io.write_all(&bytes);
        let _ = io.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let end = io.read_to_end(&mut rest);
        let late =
            end.is_err_and(|e| matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
        assert!(!late, "round {round}: neither answered nor closed: {bytes:?}");
    }
    good.write_all(b"connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    good.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"health\":\"true\""), "{answer}");
    block_on(serves(&mut server, &address));
    assert!(get(&address, "/health").contains("\"health\":\"true\""));
    assert_eq!(server.terminate(), Some(0));
}

/// Transactions nested to this depth.
fn nested(depth: u32) -> pb::TxnRequest {
    (0..depth).fold(pb::TxnRequest::default(), |inner, _| {
        let op = pb::RequestOp { request: Some(pb::request_op::Request::RequestTxn(inner)) };
        pb::TxnRequest { success: vec![op], ..Default::default() }
    })
}

/// The ends of the range of a number, and numbers that have a special meaning in some field.
const EDGES: [i64; 8] = [i64::MIN, i64::MIN + 1, -1, 0, 1, 2, i64::MAX - 1, i64::MAX];
/// The key of the extreme requests.
const KEY: Bytes = Bytes::from_static(b"a");

/// A method, and the message to send to it.
type Ask = (&'static str, Vec<u8>);

/// Range requests, alone and in a Txn, with `n` as revision, limit, bound of the revisions to return, or sort order.
fn ranges(n: i64) -> impl Iterator<Item = Ask> {
    let range = pb::RangeRequest { key: KEY, range_end: Bytes::from_static(&[0]), ..Default::default() };
    let ranges = [
        pb::RangeRequest { revision: n, ..range.clone() },
        pb::RangeRequest { limit: n, ..range.clone() },
        pb::RangeRequest { min_mod_revision: n, max_create_revision: n, ..range.clone() },
        pb::RangeRequest { sort_order: n as i32, sort_target: n as i32, ..range },
    ];
    ranges.into_iter().flat_map(|range| {
        let alone = ("etcdserverpb.KV/Range", range.encode_to_vec());
        let op = pb::RequestOp { request: Some(pb::request_op::Request::RequestRange(range)) };
        let txn = pb::TxnRequest { success: vec![op], ..Default::default() };
        [alone, ("etcdserverpb.KV/Txn", txn.encode_to_vec())]
    })
}

/// Txn requests with one compare each: with every target that exists, and with `n` as the target. `n` is also the
/// result and the number to compare with.
fn compares(n: i64) -> impl Iterator<Item = Ask> {
    [0, 1, 2, 3, 4, n as i32].into_iter().map(move |target| {
        let target_union = Some(pb::compare::TargetUnion::ModRevision(n));
        let compare = pb::Compare { key: KEY, target, result: n as i32, target_union, ..Default::default() };
        ("etcdserverpb.KV/Txn", pb::TxnRequest { compare: vec![compare], ..Default::default() }.encode_to_vec())
    })
}

/// Requests about the lease `n`.
fn leases(n: i64) -> impl Iterator<Item = Ask> {
    let grant = |ttl| ("etcdserverpb.Lease/LeaseGrant", pb::LeaseGrantRequest { id: n, ttl }.encode_to_vec());
    EDGES.map(grant).into_iter().chain([
        ("etcdserverpb.Lease/LeaseTimeToLive", pb::LeaseTimeToLiveRequest { id: n, keys: true }.encode_to_vec()),
        ("etcdserverpb.Lease/LeaseKeepAlive", pb::LeaseKeepAliveRequest { id: n }.encode_to_vec()),
        ("etcdserverpb.Lease/LeaseRevoke", pb::LeaseRevokeRequest { id: n }.encode_to_vec()),
    ])
}

/// Requests about the store as a whole.
fn maintenance(n: i64) -> [Ask; 3] {
    let alarm = pb::AlarmRequest { action: n as i32, member_id: n as u64, alarm: n as i32 };
    [
        ("etcdserverpb.KV/Compact", pb::CompactionRequest { revision: n, physical: true }.encode_to_vec()),
        ("etcdserverpb.Maintenance/HashKV", pb::HashKvRequest { revision: n }.encode_to_vec()),
        ("etcdserverpb.Maintenance/Alarm", alarm.encode_to_vec()),
    ]
}

/// Watch requests with the id `n`.
fn watches(n: i64) -> impl Iterator<Item = Ask> {
    EDGES.into_iter().map(move |start_revision| {
        let create = pb::WatchCreateRequest { key: KEY, start_revision, watch_id: n, ..Default::default() };
        let request_union = Some(pb::watch_request::RequestUnion::CreateRequest(create));
        ("etcdserverpb.Watch/Watch", pb::WatchRequest { request_union }.encode_to_vec())
    })
}

fn extremes(n: i64) -> impl Iterator<Item = Ask> {
    let put = pb::PutRequest { key: KEY, lease: n, ..Default::default() };
    let put = ("etcdserverpb.KV/Put", put.encode_to_vec());
    ranges(n).chain([put]).chain(compares(n)).chain(leases(n)).chain(maintenance(n)).chain(watches(n))
}

#[test]
fn extreme_values_are_answered_and_nothing_panics() {
    let dir = tempfile::tempdir().unwrap();
    let (mut server, address) = Server::serving(dir.path(), &[]);
    block_on(async {
        let mut sender = connect(&address).await;
        let deep = ("etcdserverpb.KV/Txn", nested(300).encode_to_vec());
        // An alarm that is on refuses writes, so disarm all of them.
        let disarm = EDGES.map(|n| pb::AlarmRequest { action: 2, member_id: n as u64, alarm: 1 });
        let disarm = disarm.map(|r| ("etcdserverpb.Maintenance/Alarm", r.encode_to_vec()));
        for (method, message) in EDGES.into_iter().flat_map(extremes).chain([deep]).chain(disarm) {
            assert!(call(&mut sender, method, said_all(method, &message)).await.is_some(), "{method}: {message:?}");
        }
        serves(&mut server, &address).await;
    });
    // The log is replayed at the next start.
    assert_eq!(server.terminate(), Some(0));
    let (mut server, address) = Server::serving(dir.path(), &[]);
    block_on(serves(&mut server, &address));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn sizes_over_the_limits_get_the_codes_and_words_of_etcd() {
    let dir = tempfile::tempdir().unwrap();
    let (mut server, address) = Server::serving(dir.path(), &["--max-request-bytes=100000", "--max-txn-ops=3"]);
    block_on(async {
        let mut kv = kv(&address);
        let put = |bytes: usize| pb::PutRequest { key: "k".into(), value: vec![1; bytes].into(), ..Default::default() };
        let op = |bytes: usize| pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put(bytes))) };
        kv.put(put(99_000)).await.unwrap();
        let too_large = (Code::InvalidArgument, "etcdserver: request is too large".to_owned());
        let said = |status: tonic::Status| (status.code(), status.message().to_owned());
        assert_eq!(said(kv.put(put(100_000)).await.unwrap_err()), too_large);
        let txn = pb::TxnRequest { success: vec![op(100_000)], ..Default::default() };
        assert_eq!(said(kv.txn(txn).await.unwrap_err()), too_large);
        let delete = pb::DeleteRangeRequest { key: vec![1; 100_000].into(), ..Default::default() };
        assert_eq!(said(kv.delete_range(delete).await.unwrap_err()), too_large);
        let range = pb::RangeRequest { key: vec![1; 100_000].into(), ..Default::default() };
        kv.range(range).await.unwrap();
        let many = pb::TxnRequest { failure: (0..4).map(|_| op(1)).collect(), ..Default::default() };
        let text = "etcdserver: too many operations in txn request";
        assert_eq!(said(kv.txn(many).await.unwrap_err()), (Code::InvalidArgument, text.to_owned()));
        // The limit of a received message is the limit of a request plus 512 KiB.
        let large = put(700_000);
        let text = format!("grpc: received message larger than max ({} vs. 624288)", large.encoded_len());
        assert_eq!(said(kv.put(large).await.unwrap_err()), (Code::ResourceExhausted, text));
        serves(&mut server, &address).await;
    });
    assert_eq!(server.terminate(), Some(0));
}

/// The largest request that the flag can allow fits through every layer of the log, and through a restart.
#[test]
fn the_largest_request_that_can_be_allowed_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--max-request-bytes=10485760"];
    let put = |bytes: usize| pb::PutRequest { key: "k".into(), value: vec![1; bytes].into(), ..Default::default() };
    let largest = (10 << 20) - 1_024;
    let (mut server, address) = Server::serving(dir.path(), &flags);
    block_on(async {
        let mut kv = kv(&address);
        for _ in 0..2 {
            kv.put(put(largest)).await.unwrap();
        }
        assert_eq!(kv.put(put(largest + 1_024)).await.unwrap_err().message(), "etcdserver: request is too large");
        serves(&mut server, &address).await;
    });
    drop(server);
    let (mut server, address) = Server::serving(dir.path(), &flags);
    block_on(async {
        let range = pb::RangeRequest { key: "k".into(), ..Default::default() };
        let found = kv(&address).range(range).await.unwrap().into_inner();
        assert_eq!(found.kvs.iter().map(|pair| pair.value.len()).collect::<Vec<_>>(), [largest]);
        serves(&mut server, &address).await;
    });
    assert_eq!(server.terminate(), Some(0));
}
