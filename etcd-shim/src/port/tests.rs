//! Tests of ports with plain text and TLS, HTTP/1 and HTTP/2, gRPC and other requests.

#![expect(clippy::disallowed_methods, reason = "a test's tasks end with the test")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use naxos_proto::seams::sim::SimClock;
use naxos_proto::seams::{Address, BootClock, BoxConnection, Net, OsEntropy, Seams, SocketNet, ThreadWorker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::connection::{RECOGNITION_MAX, Shared, run};
use super::dispatch::Services;
use super::*;
use crate::config::{FeatureGates, Keepalive, MetricsLevel};
use crate::metrics::Metrics;
use crate::tls::server_config;
use crate::tls::testing::{Authority, options};

fn seams() -> Seams {
    Seams {
        clock: Arc::new(BootClock),
        entropy: Arc::new(OsEntropy),
        net: Arc::new(SocketNet),
        disk: Arc::new(naxos_log_server::disk::RealDisk::new(std::env::temp_dir().join("naxos-port-tests")).unwrap()),
        worker: Arc::new(ThreadWorker),
    }
}

fn config(listeners: Vec<ListenerConfig>, tls: Option<Arc<rustls::ServerConfig>>) -> PortConfig {
    let second = Duration::from_secs(1);
    PortConfig {
        listeners,
        tls,
        runtimes: 2,
        max_concurrent_streams: u32::MAX,
        keepalive: Keepalive { min_time: second, interval: 7200 * second, timeout: 20 * second },
        connections_max: 100,
    }
}

fn listener(address: Address, plain: bool, secure: bool, traffic: Traffic) -> ListenerConfig {
    ListenerConfig { address, plain, secure, traffic }
}

fn any_port() -> Address {
    Address::Tcp("localhost:0".to_owned())
}

struct Running {
    port: Port,
    metrics: Arc<Metrics>,
    at: Address,
}

/// Starts a port. Its HTTP route `/who` answers with what the port knows about the client; `/slow` answers after 300
/// ms.
async fn start(config: PortConfig) -> Running {
    let metrics = Arc::new(Metrics::new(MetricsLevel::Basic, config.runtimes, &FeatureGates::default(), 0));
    let grpc: GrpcFactory = Arc::new(|_| GrpcRoutes::default().add_service(tonic_health::server::health_reporter().1));
    let who = |axum::Extension(peer): axum::Extension<Arc<Peer>>| async move {
        format!("secure={} certificates={}", peer.secure, peer.certificates.len())
    };
    let slow = || async {
        BootClock.sleep(Duration::from_millis(300)).await;
        "slow"
    };
    let http: HttpFactory = Arc::new(move |runtime, traffic| {
        Router::new()
            .route("/who", get(who))
            .route("/slow", get(slow))
            .route("/runtime", get(move || async move { runtime.to_string() }))
            .route("/traffic", get(move || async move { format!("{traffic:?}") }))
    });
    let stop = CancellationToken::new();
    let port = Port::start(seams(), config, grpc, http, &metrics, stop).await.unwrap();
    let at = port.bound_addresses()[0].clone();
    Running { port, metrics, at }
}

use naxos_proto::seams::Clock;

/// Sends a request over HTTP/1 or HTTP/2.
async fn ask(io: BoxConnection, version: Version, path: &str) -> Result<String, String> {
    let request = Request::get(path).version(version).header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();
    let response = if version == Version::HTTP_2 {
        let request = Request::get(format!("http://localhost{path}")).body(Empty::<Bytes>::new()).unwrap();
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await;
        let (mut sender, connection) = shaken.map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(io)).await;
        let (mut sender, connection) = shaken.map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    let body = response.map_err(|e| e.to_string())?.into_body().collect().await.map_err(|e| e.to_string())?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

async fn plain(at: &Address) -> BoxConnection {
    SocketNet.connect(at).await.unwrap()
}

async fn secure(at: &Address, client: Arc<rustls::ClientConfig>) -> Result<BoxConnection, String> {
    let name = "localhost".try_into().unwrap();
    match TlsConnector::from(client).connect(name, plain(at).await).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(error.to_string()),
    }
}

async fn grpc_health(io: BoxConnection) -> Result<i32, tonic::Status> {
    let mut io = Some(io);
    let connector = tower::service_fn(move |_| {
        let io = io.take().map(TokioIo::new).ok_or_else(|| std::io::Error::other("one connection only"));
        std::future::ready(io)
    });
    let channel = tonic::transport::Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
    Ok(HealthClient::new(channel).check(HealthCheckRequest::default()).await?.into_inner().status)
}

#[tokio::test]
async fn one_port_serves_both_protocols_with_and_without_tls() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    let tls = server_config(&authority.server("server", false), &options()).unwrap();
    let running = start(config(vec![listener(any_port(), true, true, Traffic::All)], Some(tls))).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let alpn = if version == Version::HTTP_2 { "h2" } else { "http/1.1" };
        assert_eq!(ask(plain(&running.at).await, version, "/who").await.unwrap(), "secure=false certificates=0");
        let io = secure(&running.at, authority.client(None, &[alpn])).await.unwrap();
        assert_eq!(ask(io, version, "/who").await.unwrap(), "secure=true certificates=0");
    }
    assert_eq!(grpc_health(plain(&running.at).await).await.unwrap(), 1);
    assert_eq!(grpc_health(secure(&running.at, authority.client(None, &["h2"])).await.unwrap()).await.unwrap(), 1);
    let text = running.metrics.encode();
    let received = text.lines().find_map(|l| l.strip_prefix("etcd_network_client_grpc_received_bytes_total ")).unwrap();
    assert!(received.parse::<u64>().unwrap() > 1000, "{received}");
    running.port.drain().await;
}

#[tokio::test]
async fn a_client_certificate_is_demanded_and_travels_with_the_request() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    authority.issue("client", &["localhost"]);
    let tls = server_config(&authority.server("server", true), &options()).unwrap();
    let running = start(config(vec![listener(any_port(), false, true, Traffic::All)], Some(tls))).await;
    let io = secure(&running.at, authority.client(Some("client"), &["h2"])).await.unwrap();
    assert_eq!(ask(io, Version::HTTP_2, "/who").await.unwrap(), "secure=true certificates=1");
    // With TLS 1.3 the client notices the refusal only when it reads.
    let without = match secure(&running.at, authority.client(None, &["http/1.1"])).await {
        Ok(io) => ask(io, Version::HTTP_11, "/who").await,
        Err(error) => Err(error),
    };
    assert!(without.is_err());
    assert!(ask(plain(&running.at).await, Version::HTTP_11, "/who").await.is_err(), "no plain text here");
    running.port.drain().await;
}

#[tokio::test]
async fn ports_can_be_split_by_what_they_serve() {
    let dir = tempfile::tempdir().unwrap();
    let socket = Address::Unix(dir.path().join("client.sock"));
    // A socket file that a killed process left behind must not prevent binding.
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("client.sock")).unwrap());
    let listeners = vec![
        listener(any_port(), true, false, Traffic::Grpc),
        listener(socket.clone(), true, false, Traffic::Http),
        listener(any_port(), true, false, Traffic::Metrics),
    ];
    let running = start(config(listeners, None)).await;
    let at = running.port.bound_addresses().to_vec();
    assert_eq!(grpc_health(plain(&at[0]).await).await.unwrap(), 1);
    assert!(grpc_health(plain(&socket).await).await.is_err());
    assert_eq!(ask(plain(&socket).await, Version::HTTP_11, "/traffic").await.unwrap(), "All");
    assert_eq!(ask(plain(&at[2]).await, Version::HTTP_11, "/traffic").await.unwrap(), "Metrics");
    running.port.drain().await;
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented() {
    let running = start(config(vec![listener(any_port(), true, false, Traffic::All)], None)).await;
    let Address::Tcp(at) = &running.at else { panic!() };
    let channel = tonic::transport::Endpoint::new(format!("http://{at}")).unwrap().connect_lazy();
    let mut client = naxos_proto::control::control_client::ControlClient::new(channel);
    let status = client.status(naxos_proto::control::StatusRequest {}).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (tonic::Code::Unimplemented, "unknown service naxos.control.v1.Control")
    );
    running.port.drain().await;
}

#[tokio::test]
async fn connections_spread_over_the_runtimes() {
    let running = start(config(vec![listener(any_port(), true, false, Traffic::All)], None)).await;
    let mut seen = [0, 0];
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut io = plain(&running.at).await;
        io.write_all(b"GET /runtime HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.windows(4).rev().skip(1).any(|w| w == b"\r\n\r\n") {
            answer.push(io.read_u8().await.unwrap());
        }
        seen[usize::from(answer[answer.len() - 1] - b'0')] += 1;
        held.push(io);
    }
    assert_eq!(seen, [4, 4]);
    drop(held);
    running.port.drain().await;
}

#[tokio::test]
async fn draining_lets_requests_finish_and_closes_the_port() {
    let running = start(config(vec![listener(any_port(), true, false, Traffic::All)], None)).await;
    let at = running.at.clone();
    let slow = tokio::spawn(ask(plain(&at).await, Version::HTTP_2, "/slow"));
    let mut idle = plain(&at).await;
    idle.write_all(b"GET /who HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let _silent = plain(&at).await;
    BootClock.sleep(Duration::from_millis(100)).await;
    let start = BootClock.now();
    running.port.drain().await;
    assert!(BootClock.now().since(start) < Duration::from_secs(4), "nobody waits for what is idle");
    assert_eq!(slow.await.unwrap().unwrap(), "slow");
    assert!(SocketNet.connect(&at).await.is_err());
    let mut rest = Vec::new();
    // The connection may be closed or reset: it has ended in both cases.
    let _ = idle.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let first = start(config(vec![listener(any_port(), true, false, Traffic::All)], None)).await;
    let again = config(vec![listener(first.at.clone(), true, false, Traffic::All)], None);
    let error = BoundPort::bind(seams(), again, CancellationToken::new()).await.err().unwrap();
    assert_eq!(error.to_string(), format!("listen {}: bind: address already in use", first.at));
    first.port.drain().await;
    BoundPort::bind(
        seams(),
        config(vec![listener(first.at, true, false, Traffic::All)], None),
        CancellationToken::new(),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    let tls = server_config(&authority.server("server", false), &options()).unwrap();
    let running = start(config(vec![listener(any_port(), true, true, Traffic::All)], Some(tls))).await;
    for garbage in [
        &b"\x16\x03\x01\xff\xff\xff\xff"[..],
        b"\x00\x00\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut io = plain(&running.at).await;
        io.write_all(garbage).await.unwrap();
        io.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = io.read_to_end(&mut rest).await;
    }
    assert_eq!(ask(plain(&running.at).await, Version::HTTP_11, "/who").await.unwrap(), "secure=false certificates=0");
    running.port.drain().await;
}

/// How long a connection lasts whose client sends `bytes` and then nothing more. `None` if it lasts for an hour.
async fn lasts(bytes: &[u8]) -> Option<Duration> {
    let listener = listener(any_port(), true, false, Traffic::All);
    let config = config(vec![listener.clone()], None);
    let metrics = Metrics::new(MetricsLevel::Basic, config.runtimes, &FeatureGates::default(), 0);
    let clock = Arc::new(SimClock::new(Duration::ZERO));
    let services = Services {
        grpc: GrpcRoutes::default(),
        http: Router::new(),
        metrics: Router::new(),
        clock: Arc::<SimClock>::clone(&clock),
    };
    let shared = Shared::new(&config, services, metrics.network(0), Arc::<SimClock>::clone(&clock));
    let peer = Peer { address: naxos_proto::seams::PeerAddress::Unix, secure: false, certificates: Vec::new() };
    let (mut client, server) = tokio::io::duplex(1 << 16);
    client.write_all(bytes).await.unwrap();
    let began = clock.now();
    tokio::select! {
        biased;
        () = run(server, peer, &listener, &shared) => Some(clock.now().since(began)),
        () = clock.sleep(Duration::from_secs(3_600)) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_must_show_in_time_which_protocol_it_speaks() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for part in [1, 10, PREFACE.len() - 1] {
        let lasted = lasts(&PREFACE[..part]).await.expect("the connection ends");
        assert!((RECOGNITION_MAX..RECOGNITION_MAX + Duration::from_secs(1)).contains(&lasted), "{part}: {lasted:?}");
    }
    assert_eq!(lasts(&[PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat()).await, None, "an HTTP/2 connection may be idle");
}
