//! Answers in the form of Go's `net/http`.

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, StatusCode, Uri};

/// Go's content type for text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Go's content type for a page.
const HTML: &str = "text/html; charset=utf-8";

/// An answer with this content type and body.
pub(super) fn page(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An answer that is text, and that browsers must not treat as anything else.
pub(super) fn plain(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = page(status, TEXT, body);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Go's `http.Error`: the text and a line break.
pub(super) fn error(status: StatusCode, text: &str) -> Response {
    plain(status, format!("{text}\n"))
}

/// Go's answer to an unknown path: a redirection to the cleaned path if that is a different one, otherwise "not found".
pub(super) async fn not_found(method: Method, uri: Uri) -> Response {
    let clean = clean_path(uri.path());
    if clean == uri.path() {
        return error(StatusCode::NOT_FOUND, "404 page not found");
    }
    let place = uri.query().map_or(clean.clone(), |query| format!("{clean}?{query}"));
    let Ok(location) = HeaderValue::from_str(&place) else {
        return error(StatusCode::BAD_REQUEST, "400 Bad Request");
    };
    let mut response = match method {
        Method::GET => {
            let link = format!("<a href=\"{}\">Temporary Redirect</a>.\n\n", escaped(&place));
            page(StatusCode::TEMPORARY_REDIRECT, HTML, link)
        }
        Method::HEAD => page(StatusCode::TEMPORARY_REDIRECT, HTML, Body::empty()),
        _ => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response
        }
    };
    response.headers_mut().insert(LOCATION, location);
    response
}

/// The path without empty, `.` and `..` elements, as Go's router cleans it. A slash at the end is kept.
fn clean_path(path: &str) -> String {
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => drop(elements.pop()),
            element => elements.push(element),
        }
    }
    let end = if path.ends_with('/') && !elements.is_empty() { "/" } else { "" };
    format!("/{}{end}", elements.join("/"))
}

/// A text escaped for HTML, as Go does it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
    }
    out
}

/// The refusal of all methods but GET, for paths where etcd allows only GET. HEAD is refused, too.
pub(super) fn refuse_other_than_get(method: &Method) -> Option<Response> {
    if method == Method::GET {
        return None;
    }
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, clean) in [
            ("/", "/"),
            ("/health", "/health"),
            ("/health/", "/health/"),
            ("//health", "/health"),
            ("/./health", "/health"),
            ("/a/../health", "/health"),
            ("/../health", "/health"),
            ("/a//b/./c/", "/a/b/c/"),
            ("/a/..", "/"),
            ("//", "/"),
        ] {
            assert_eq!(clean_path(path), clean, "{path}");
        }
    }

    #[tokio::test]
    async fn an_unclean_path_leads_to_the_clean_one() {
        let uri = |text: &str| text.parse::<Uri>().expect("a path");
        let answer = not_found(Method::GET, uri("//health?a=1&b='2'")).await;
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(answer.headers()[LOCATION], "/health?a=1&b='2'");
        let body = axum::body::to_bytes(answer.into_body(), 1_000).await.expect("a body");
        assert_eq!(body, "<a href=\"/health?a=1&amp;b=&#39;2&#39;\">Temporary Redirect</a>.\n\n");
        let answer = not_found(Method::POST, uri("/./health")).await;
        assert_eq!(
            (answer.status(), answer.headers().contains_key(CONTENT_TYPE)),
            (StatusCode::TEMPORARY_REDIRECT, false)
        );
        assert_eq!(not_found(Method::GET, uri("/nothing")).await.status(), StatusCode::NOT_FOUND);
    }
}
