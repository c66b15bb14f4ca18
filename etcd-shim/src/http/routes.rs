//! The HTTP routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use http::{Method, StatusCode};

use super::checks::{LIVEZ, Probe, READYZ, probe};
use super::http_state::HttpState;
use super::page::{not_found, page, refuse_other_than_get};
use super::{access, health};
use crate::metrics::descriptor_limit;
use crate::port::Traffic;
use crate::version;

/// The routes of a client URL, or those of a metrics URL.
pub fn router(state: Arc<HttpState>, traffic: Traffic) -> Router {
    let mut router =
        Router::new().route("/metrics", any(metrics)).route("/health", any(health::health)).fallback(not_found);
    for kind in [LIVEZ, READYZ] {
        router = with_probe(router, kind);
    }
    if traffic == Traffic::Metrics {
        return router.with_state(state);
    }
    router
        .route("/version", any(version))
        .route("/debug/vars", any(vars))
        .layer(axum::middleware::from_fn_with_state(state.clone(), access::control))
        .with_state(state)
}

fn with_probe(router: Router<Arc<HttpState>>, kind: Probe) -> Router<Arc<HttpState>> {
    let root = any(move |state, method, query| probe(kind, None, state, method, query));
    kind.checks.iter().fold(router.route(&format!("/{}", kind.kind), root), |router, check| {
        let check = *check;
        let one = any(move |state, method, query| probe(kind, Some(check), state, method, query));
        router.route(&format!("/{}/{}", kind.kind, check.name()), one)
    })
}

async fn version(State(state): State<Arc<HttpState>>, method: Method) -> Response {
    if let Some(refusal) = refuse_other_than_get(&method) {
        return refusal;
    }
    let cluster = state.server.cluster_version().unwrap_or_else(|| "not_decided".to_owned());
    let storage = state.server.storage_version().unwrap_or_else(|| "unknown".to_owned());
    let body = format!(r#"{{"etcdserver":"{}","etcdcluster":"{cluster}","storage":"{storage}"}}"#, version::ETCD);
    page(StatusCode::OK, "application/json", body)
}

async fn metrics(State(state): State<Arc<HttpState>>, method: Method) -> Response {
    let body = if method == Method::HEAD { Body::empty() } else { Body::from(state.metrics.encode()) };
    page(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", body)
}

async fn vars(State(state): State<Arc<HttpState>>, method: Method) -> Response {
    if let Some(refusal) = refuse_other_than_get(&method) {
        return refusal;
    }
    let cmdline = serde_json::Value::from(state.command_line.clone());
    let body = format!(
        "{{\n\"cmdline\": {cmdline},\n\"file_descriptor_limit\": {},\n\"memstats\": {{}}\n}}\n",
        descriptor_limit()
    );
    page(StatusCode::OK, "application/json; charset=utf-8", body)
}
