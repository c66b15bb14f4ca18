//! What etcd does with every HTTP request on a client URL. It refuses a plain-text request for a host name that is not
//! allowed, which protects browsers from DNS rebinding (CVE-2018-5702). It sets the headers that allow pages of other
//! origins to call.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HOST, ORIGIN,
};
use http::{HeaderValue, Method, StatusCode};

use super::http_state::HttpState;
use super::page::error;
use crate::port::Peer;

/// Runs before every route.
pub(super) async fn control(State(state): State<Arc<HttpState>>, request: Request, next: Next) -> Response {
    let secure = request.extensions().get::<Arc<Peer>>().is_some_and(|p| p.secure);
    let host = host_name(&request);
    let known = |host: &str| {
        state.host_whitelist.is_empty() || state.host_whitelist.contains("*") || state.host_whitelist.contains(host)
    };
    if !secure && !known(&host) {
        tracing::warn!(host, "rejecting HTTP request to prevent DNS rebinding attacks");
        return error(StatusCode::MISDIRECTED_REQUEST, &rebinding(&host));
    }
    let origin = allowed_origin(&state, &request);
    let mut response = match *request.method() {
        Method::OPTIONS => Response::new(axum::body::Body::empty()),
        _ => next.run(request).await,
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("accept, content-type, authorization"));
    }
    response
}

fn allowed_origin(state: &HttpState, request: &Request) -> Option<HeaderValue> {
    if state.cors.is_empty() || state.cors.contains("*") {
        return Some(HeaderValue::from_static("*"));
    }
    let origin = request.headers().get(ORIGIN)?;
    origin.to_str().is_ok_and(|o| state.cors.contains(o)).then(|| origin.clone())
}

/// The host that the request asks for, without its port.
fn host_name(request: &Request) -> String {
    let header = || request.headers().get(HOST).and_then(|h| h.to_str().ok());
    let host = request.uri().authority().map(|a| a.as_str()).or_else(header).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(h, _)| !h.contains(':') || h.ends_with(']')).map_or(host, |(h, _)| h);
    name.trim_start_matches('[').trim_end_matches(']').to_owned()
}

fn rebinding(host: &str) -> String {
    format!(
        "\nThe Host header of this request names {host:?}, which is not an allowed name of this server.\n\
         Ask over TLS, or add the name: --host-whitelist {host:?}\n\
         This check protects browsers from DNS rebinding (CVE-2018-5702)."
    )
}
