//! `/health`: one answer for load balancers. An alarm makes the node unhealthy, too.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::{Method, StatusCode};

use super::http_state::HttpState;
use super::page::{TEXT, error, page, refuse_other_than_get};

/// Answers `/health`.
pub(super) async fn health(
    State(state): State<Arc<HttpState>>,
    method: Method,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    if let Some(refusal) = refuse_other_than_get(&method) {
        tracing::warn!("status-code" = 405, "/health error");
        return refusal;
    }
    let reason = unhealthy(&state, &query).await;
    let metrics = &state.metrics.health;
    let Some(reason) = reason else {
        metrics.success.inc();
        return page(StatusCode::OK, TEXT, r#"{"health":"true","reason":""}"#);
    };
    metrics.failures.inc();
    let body = format!(r#"{{"health":"false","reason":{}}}"#, serde_json::Value::from(reason));
    tracing::warn!(output = body, "status-code" = 503, "/health error");
    error(StatusCode::SERVICE_UNAVAILABLE, &body)
}

/// The first reason why the node is unhealthy: an alarm, no leader, or a read that fails.
async fn unhealthy(state: &HttpState, query: &[(String, String)]) -> Option<String> {
    // Like Go, use the first value only.
    let serializable = query.iter().find(|(k, _)| k == "serializable").is_some_and(|(_, v)| v == "true");
    let excluded = |name: &str| query.iter().any(|(k, v)| k == "exclude" && v == name);
    let server = state.server.as_ref();
    let alarm = server.alarms().into_iter().map(|(_, kind)| kind.to_string()).find(|name| !excluded(name));
    if let Some(alarm) = alarm {
        return Some(format!("ALARM {alarm}"));
    }
    if !serializable && !server.has_leader() {
        return Some("RAFT NO LEADER".to_owned());
    }
    state.read(serializable).await.err().map(|e| format!("RANGE ERROR:{e}"))
}
