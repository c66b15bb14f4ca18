//! Errors for messages that are too large, with the code and the text of grpc-go, because clients of etcd compare them.
//! tonic answers OUT_OF_RANGE with a text of its own.

use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::state::kv::collect::ANSWER_BYTES_MAX;

/// The error that replaces an answer of `bytes` bytes.
pub(crate) fn too_large_to_send(bytes: usize) -> Status {
    Status::resource_exhausted(format!("grpc: trying to send message larger than max ({bytes} vs. {ANSWER_BYTES_MAX})"))
}

/// The parts of tonic's text: before, between and after the two lengths.
const TONIC: [&str; 3] = ["Error, decoded message length too large: found ", " bytes, the limit is: ", " bytes"];

/// The lengths in tonic's text.
fn lengths(status: &Status) -> Option<(usize, usize)> {
    let rest = status.message().strip_prefix(TONIC[0])?.strip_suffix(TONIC[2])?;
    let (found, limit) = rest.split_once(TONIC[1])?;
    Some((found.parse().ok()?, limit.parse().ok()?))
}

/// Translates tonic's status into grpc-go's.
pub(crate) fn in_words_of_grpc_go(status: Status) -> Status {
    match lengths(&status).filter(|_| status.code() == Code::OutOfRange) {
        Some((found, limit)) => {
            Status::resource_exhausted(format!("grpc: received message larger than max ({found} vs. {limit})"))
        }
        None => status,
    }
}

/// Translates tonic's error for a message that is too large. Such an answer has no body, and its status is in the
/// headers. All other answers are returned unchanged.
pub(super) fn translated(answer: Response<Body>) -> Response<Body> {
    let out_of_range = |code: &http::HeaderValue| code.as_bytes() == b"11";
    if !answer.headers().get(Status::GRPC_STATUS).is_some_and(out_of_range) {
        return answer;
    }
    match Status::from_header_map(answer.headers()) {
        Some(status) if lengths(&status).is_some() => in_words_of_grpc_go(status).into_http(),
        _ => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_over_the_limit_is_translated() {
        let tonics = "Error, decoded message length too large: found 3000000 bytes, the limit is: 2097152 bytes";
        let answer = translated(Status::out_of_range(tonics).into_http());
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(
            (status.code(), status.message()),
            (Code::ResourceExhausted, "grpc: received message larger than max (3000000 vs. 2097152)")
        );
        let etcds = "etcdserver: mvcc: required revision is a future revision";
        let answer = translated(Status::out_of_range(etcds).into_http());
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!((status.code(), status.message()), (Code::OutOfRange, etcds));
        assert_eq!(in_words_of_grpc_go(Status::internal(tonics)).code(), Code::Internal);
    }
}
