//! What grpc-go checks before it calls a service: the content type, the HTTP method, the time-out. A call that fails a
//! check is answered at once, with grpc-go's codes and texts (`http2_server.go`, `operateHeaders`).

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tonic::body::Body;
use tonic::{Code, Status};

/// The content type of gRPC. It may be followed by `+` or `;` and any text.
const GRPC: &[u8] = b"application/grpc";
/// A time-out longer than this is treated as no time-out.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Whether a content type begins like that of gRPC. It may still be one that gRPC refuses, such as
/// `application/grpc-web`.
pub(super) fn is_for_grpc(content_type: &[u8]) -> bool {
    content_type.starts_with(GRPC)
}

/// Checks a call. Returns its time-out, if it has one; the error is the answer that refuses the call.
pub(super) fn check<B>(request: &Request<B>) -> Result<Option<Duration>, Box<Response<Body>>> {
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    if !matches!(kind.strip_prefix(GRPC), Some([] | [b'+' | b';', ..])) {
        let text = format!("invalid gRPC request content-type {:?}", String::from_utf8_lossy(kind));
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, text));
    }
    let timeout = timeout(request.headers())
        .map_err(|why| refusal(StatusCode::BAD_REQUEST, Code::Internal, format!("malformed grpc-timeout: {why}")))?;
    if request.method() != Method::POST {
        let text =
            format!("Received a HEADERS frame with :method {:?} which should be POST", request.method().as_str());
        return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, Code::Internal, text));
    }
    match timeout {
        Some(Duration::ZERO) => Err(Box::new(too_late().into_http())),
        timeout => Ok(timeout.filter(|timeout| *timeout <= TIMEOUT_MAX)),
    }
}

/// The answer to a call whose time-out has passed.
pub(super) fn too_late() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

fn refusal(http: StatusCode, code: Code, text: String) -> Box<Response<Body>> {
    let mut answer = Status::new(code, text).into_http();
    *answer.status_mut() = http;
    Box::new(answer)
}

fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, String> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    parse_timeout(&text).map(Some)
}

/// Reads a time-out as `decodeTimeout` of grpc-go does: up to eight digits and a unit.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    if text.len() < 2 {
        return Err(format!("transport: timeout string is too short: {text:?}"));
    }
    if text.len() > 9 {
        return Err(format!("transport: timeout string is too long: {text:?}"));
    }
    let (number, unit) = text.split_at(text.char_indices().last().map_or(0, |(at, _)| at));
    let of_unit: fn(u64) -> Duration = match unit {
        "H" => |n| Duration::from_secs(n * 3_600),
        "M" => |n| Duration::from_secs(n * 60),
        "S" => Duration::from_secs,
        "m" => Duration::from_millis,
        "u" => Duration::from_micros,
        "n" => Duration::from_nanos,
        _ => return Err(format!("transport: timeout unit is not recognized: {text:?}")),
    };
    // This cannot overflow: there are at most eight digits.
    let number =
        number.bytes().try_fold(0_u64, |n, digit| digit.is_ascii_digit().then(|| n * 10 + u64::from(digit - b'0')));
    let syntax = || format!("strconv.ParseUint: parsing {:?}: invalid syntax", &text[..text.len() - unit.len()]);
    number.map(of_unit).ok_or_else(syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: &str, kind: &str, timeout: Option<&str>) -> Result<Option<Duration>, (u16, Code, String)> {
        let request = Request::builder().method(method).uri("/a/B").header(CONTENT_TYPE, kind);
        let request = timeout.into_iter().fold(request, |request, timeout| request.header("grpc-timeout", timeout));
        check(&request.body(()).expect("a request")).map_err(|answer| {
            let status = Status::from_header_map(answer.headers()).expect("a status");
            (answer.status().as_u16(), status.code(), status.message().to_owned())
        })
    }

    #[test]
    fn calls_are_refused_in_the_words_of_grpc_go() {
        let grpc = "application/grpc";
        for (timeout, text) in [
            ("5", r#"transport: timeout string is too short: "5""#),
            ("x", r#"transport: timeout string is too short: "x""#),
            ("1x", r#"transport: timeout unit is not recognized: "1x""#),
            ("-1S", r#"strconv.ParseUint: parsing "-1": invalid syntax"#),
            ("+1S", r#"strconv.ParseUint: parsing "+1": invalid syntax"#),
            ("123456789S", r#"transport: timeout string is too long: "123456789S""#),
        ] {
            let refusal = (400, Code::Internal, format!("malformed grpc-timeout: {text}"));
            assert_eq!(checked("POST", grpc, Some(timeout)), Err(refusal));
        }
        for timeout in ["0n", "00S", "0H"] {
            let refusal = (200, Code::DeadlineExceeded, "context deadline exceeded".to_owned());
            assert_eq!(checked("POST", grpc, Some(timeout)), Err(refusal));
        }
        for kind in ["application/grpc-web", "application/grpcx", "text/plain"] {
            let refusal = (415, Code::InvalidArgument, format!("invalid gRPC request content-type {kind:?}"));
            assert_eq!(checked("POST", kind, None), Err(refusal));
        }
        let text = r#"Received a HEADERS frame with :method "GET" which should be POST"#;
        assert_eq!(checked("GET", grpc, None), Err((405, Code::Internal, text.to_owned())));
    }

    #[test]
    fn a_good_call_has_the_time_that_it_asks_for() {
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc;x"] {
            assert_eq!(checked("POST", kind, None), Ok(None));
        }
        for (timeout, wanted) in [
            ("1n", Duration::from_nanos(1)),
            ("20u", Duration::from_micros(20)),
            ("300m", Duration::from_millis(300)),
            ("12345678S", Duration::from_secs(12_345_678)),
            ("2M", Duration::from_secs(120)),
            ("3H", Duration::from_secs(10_800)),
        ] {
            assert_eq!(checked("POST", "application/grpc", Some(timeout)), Ok(Some(wanted)));
        }
        assert_eq!(checked("POST", "application/grpc", Some("99999999H")), Ok(None), "as good as for ever");
    }
}
