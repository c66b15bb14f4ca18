use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use naxos_proto::seams::BootClock;
use parking_lot::Mutex;
use tower::ServiceExt;

use super::*;
use crate::config::{FeatureGates, MetricsLevel};
use crate::metrics::Metrics;
use crate::port::{Peer, Traffic};

#[derive(Default)]
struct Node {
    serializable: Mutex<Option<String>>,
    linearizable: Mutex<Option<String>>,
    hangs: Mutex<bool>,
    alarms: Mutex<Vec<(u64, AlarmKind)>>,
    no_leader: Mutex<bool>,
    learner: Mutex<bool>,
}

fn result(error: &Mutex<Option<String>>) -> Result<(), String> {
    error.lock().clone().map_or(Ok(()), Err)
}

impl ServerHealth for Node {
    fn serializable_read(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { result(&self.serializable) })
    }
    fn linearizable_read(&self) -> BoxFuture<'_, Result<(), String>> {
        if *self.hangs.lock() {
            return Box::pin(std::future::pending());
        }
        Box::pin(async { result(&self.linearizable) })
    }
    fn alarms(&self) -> Vec<(u64, AlarmKind)> {
        self.alarms.lock().clone()
    }
    fn has_leader(&self) -> bool {
        !*self.no_leader.lock()
    }
    fn is_learner(&self) -> bool {
        *self.learner.lock()
    }
    fn cluster_version(&self) -> Option<String> {
        Some("3.6.0".to_owned())
    }
    fn storage_version(&self) -> Option<String> {
        None
    }
}

struct Site {
    node: Arc<Node>,
    metrics: Arc<Metrics>,
    state: Arc<HttpState>,
}

impl Site {
    fn new() -> Site {
        Site::with(["*"], ["*"])
    }

    fn with<const A: usize, const B: usize>(cors: [&str; A], hosts: [&str; B]) -> Site {
        let node = Arc::new(Node::default());
        let metrics = Arc::new(Metrics::new(MetricsLevel::Basic, 1, &FeatureGates::default(), 0));
        let state = Arc::new(HttpState {
            server: node.clone(),
            metrics: metrics.clone(),
            clock: Arc::new(BootClock),
            read_max: Duration::from_millis(50),
            cors: cors.map(str::to_owned).into(),
            host_whitelist: hosts.map(str::to_owned).into(),
            command_line: vec!["etcd".to_owned(), "--a=\"b\"".to_owned()],
        });
        Site { node, metrics, state }
    }

    async fn send(&self, traffic: Traffic, request: Request<Body>) -> (StatusCode, http::HeaderMap, String) {
        let response: Response<Body> = router(self.state.clone(), traffic).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request = Request::get(path).header("host", "a:1").body(Body::empty()).unwrap();
        let (status, _, body) = self.send(Traffic::All, request).await;
        (status.as_u16(), body)
    }
}

#[tokio::test]
async fn a_healthy_node_answers_as_etcd_does() {
    let site = Site::new();
    let all = "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n";
    let table = [
        ("/health", 200, r#"{"health":"true","reason":""}"#),
        ("/health?serializable=true&exclude=FOO", 200, r#"{"health":"true","reason":""}"#),
        ("/livez", 200, "ok\n"),
        ("/livez?verbose", 200, "[+]serializable_read ok\nok\n"),
        ("/livez?verbose=false", 200, "[+]serializable_read ok\nok\n"),
        ("/readyz", 200, "ok\n"),
        ("/readyz?verbose", 200, all),
        ("/readyz?exclude=foo&verbose", 200, all),
        (
            "/readyz?exclude=linearizable_read&exclude=non_learner&verbose=1",
            200,
            "[+]data_corruption ok\n[+]serializable_read ok\nok\n",
        ),
        ("/readyz/linearizable_read?verbose", 200, "[+]linearizable_read ok\nok\n"),
        ("/readyz/non_learner?exclude=non_learner", 200, "ok\n"),
        ("/livez/serializable_read", 200, "ok\n"),
        ("/livez/linearizable_read", 404, "404 page not found\n"),
        ("/livez/", 404, "404 page not found\n"),
        ("/readyz/foo", 404, "404 page not found\n"),
        ("/version", 200, r#"{"etcdserver":"3.6.16","etcdcluster":"3.6.0","storage":"unknown"}"#),
        ("/version/", 404, "404 page not found\n"),
        ("/debug/requests", 404, "404 page not found\n"),
        ("/", 404, "404 page not found\n"),
    ];
    for (path, status, body) in table {
        assert_eq!(site.get(path).await, (status, body.to_owned()), "{path}");
    }
    let (_, vars) = site.get("/debug/vars").await;
    let vars: serde_json::Value = serde_json::from_str(&vars).unwrap();
    assert_eq!(vars["cmdline"][1], "--a=\"b\"");
    assert!(site.get("/metrics").await.1.contains("etcd_server_health_success 2\n"));
}

#[tokio::test]
async fn a_sick_node_says_what_is_wrong() {
    let site = Site::new();
    *site.node.alarms.lock() = vec![(1, AlarmKind::NoSpace), (2, AlarmKind::Corrupt)];
    assert_eq!(site.get("/health").await, (503, "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n".to_owned()));
    assert_eq!(site.get("/health?exclude=NOSPACE").await.1, "{\"health\":\"false\",\"reason\":\"ALARM CORRUPT\"}\n");
    assert_eq!(site.get("/health?exclude=NOSPACE&exclude=CORRUPT").await.0, 200);
    let corrupt = "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\n\n";
    assert_eq!(site.get("/readyz").await, (503, corrupt.to_owned()));
    assert_eq!(site.get("/readyz?exclude=data_corruption").await.0, 200);
    assert_eq!(site.get("/livez").await.0, 200);
    site.node.alarms.lock().clear();

    *site.node.no_leader.lock() = true;
    *site.node.linearizable.lock() = Some("etcdserver: no leader".to_owned());
    assert_eq!(site.get("/health").await.1, "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n");
    assert_eq!(site.get("/health?serializable=true").await.0, 200);
    *site.node.no_leader.lock() = false;
    assert_eq!(
        site.get("/health").await.1,
        "{\"health\":\"false\",\"reason\":\"RANGE ERROR:etcdserver: no leader\"}\n"
    );
    assert_eq!(
        site.get("/readyz/linearizable_read").await,
        (503, "[-]linearizable_read failed: etcdserver: no leader\n\n".to_owned())
    );
    *site.node.learner.lock() = true;
    assert_eq!(site.get("/readyz/non_learner").await.1, "[-]non_learner failed: not supported for learner\n\n");
    let failures = "etcd_server_healthchecks_total{type=\"readyz\",name=\"non_learner\",status=\"error\"} 1\n";
    assert!(site.metrics.encode().contains(failures));
    *site.node.hangs.lock() = true;
    let late = "[-]linearizable_read failed: context deadline exceeded\n\n";
    assert_eq!(site.get("/readyz/linearizable_read").await, (503, late.to_owned()));
}

#[tokio::test]
async fn only_get_is_allowed_except_for_metrics() {
    let site = Site::new();
    for path in ["/health", "/livez", "/readyz", "/readyz/linearizable_read", "/version", "/debug/vars"] {
        for method in ["POST", "HEAD", "DELETE"] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let (status, headers, body) = site.send(Traffic::All, request).await;
            assert_eq!((status.as_u16(), headers["allow"].as_bytes()), (405, &b"GET"[..]), "{method} {path}");
            assert!(method == "HEAD" || body == "Method Not Allowed\n");
        }
    }
    let request = Request::post("/metrics").body(Body::empty()).unwrap();
    assert_eq!(site.send(Traffic::All, request).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_metrics_url_has_health_and_metrics_only() {
    let site = Site::new();
    for (path, status) in [
        ("/metrics", 200),
        ("/health", 200),
        ("/readyz", 200),
        ("/livez", 200),
        ("/version", 404),
        ("/debug/vars", 404),
    ] {
        let (found, headers, _) = site.send(Traffic::Metrics, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(found.as_u16(), status, "{path}");
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn origins_and_hosts_are_checked_on_client_urls() {
    let site = Site::with(["http://good:1"], ["known", "::1"]);
    let ask = |host: &str, origin: &str| {
        Request::get("/version").header("host", host).header("origin", origin).body(Body::empty()).unwrap()
    };
    for (host, origin, status, allowed) in [
        ("known:1", "http://good:1", 200, true),
        ("known", "http://bad:1", 200, false),
        ("[::1]:2379", "http://good:1", 200, true),
        ("stranger:1", "http://good:1", 421, false),
    ] {
        let (found, headers, _) = site.send(Traffic::All, ask(host, origin)).await;
        assert_eq!(
            (found.as_u16(), headers.contains_key("access-control-allow-origin")),
            (status, allowed),
            "{host} {origin}"
        );
    }
    let mut secure = ask("stranger:1", "http://good:1");
    let address = naxos_proto::seams::PeerAddress::Unix;
    secure.extensions_mut().insert(Arc::new(Peer { address, secure: true, certificates: Vec::new() }));
    assert_eq!(site.send(Traffic::All, secure).await.0, StatusCode::OK, "over TLS any host will do");
    let options = Request::options("/any").header("host", "known").body(Body::empty()).unwrap();
    assert_eq!(site.send(Traffic::All, options).await.0, StatusCode::OK);
    let (_, headers, _) = Site::new().send(Traffic::All, ask("x", "http://y")).await;
    assert_eq!(headers["access-control-allow-origin"], "*");
}
