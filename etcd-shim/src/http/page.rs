//! Answers as Go's `net/http` makes them.

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, StatusCode};

/// Go's type of text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// An answer with this type and body.
pub(super) fn page(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A text that browsers must not take for anything else.
pub(super) fn plain(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = page(status, TEXT, body);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Go's `http.Error`: the text and a line end.
pub(super) fn error(status: StatusCode, text: &str) -> Response {
    plain(status, format!("{text}\n"))
}

/// Go's answer to an unknown path.
pub(super) async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "404 page not found")
}

/// The answer to any method but GET, where etcd allows only that one. HEAD is refused too.
pub(super) fn refuse_other_than_get(method: &Method) -> Option<Response> {
    if method == Method::GET {
        return None;
    }
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    Some(response)
}
