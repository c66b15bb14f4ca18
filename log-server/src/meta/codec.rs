//! Raft records and the messages between replicas as bytes: a version byte, then the CBOR of openraft's own types,
//! which implement serde.
//!
//! CBOR keeps the names of fields, as JSON does, so a later build can add a field. Unlike JSON it stores bytes as
//! bytes.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::open_error::OpenError;

/// Version of the encoding. Version 1 was JSON without a version.
const RAFT_FORMAT: u8 = 2;

/// Why bytes do not decode as a raft record or message of this build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    /// The bytes have another version, or there are none at all.
    #[error("expected format version {RAFT_FORMAT}, found {}", .0.map_or_else(|| "no bytes".to_owned(), |v| v.to_string()))]
    Version(Option<u8>),
    /// The bytes are not the CBOR of the expected type.
    #[error("not the CBOR that was expected: {0}")]
    Cbor(String),
}

impl From<CodecError> for OpenError {
    fn from(e: CodecError) -> Self {
        OpenError::Meta(e.to_string())
    }
}

/// Encodes `value`.
pub(crate) fn encode<T: Serialize>(value: &T) -> Bytes {
    let mut out = vec![RAFT_FORMAT];
    ciborium::into_writer(value, &mut out).expect("plain values are CBOR, and memory takes them");
    out.into()
}

/// Decodes the bytes of [`encode`].
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let Some((&RAFT_FORMAT, mut body)) = bytes.split_first() else {
        return Err(CodecError::Version(bytes.first().copied()));
    };
    let value = ciborium::from_reader(&mut body).map_err(|e| CodecError::Cbor(e.to_string()))?;
    if body.is_empty() { Ok(value) } else { Err(CodecError::Cbor(format!("{} bytes too many", body.len()))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::types::Put;

    #[test]
    fn bytes_stay_bytes_and_damage_is_an_error() {
        let put = Put { expected: 3, bytes: vec![0xff; 1_000] };
        let encoded = encode(&put);
        assert!(encoded.len() < 1_050, "{} bytes for 1,000", encoded.len());
        assert_eq!(decode::<Put>(&encoded), Ok(put));
        for cut in 1..encoded.len() {
            assert!(matches!(decode::<Put>(&encoded[..cut]), Err(CodecError::Cbor(_))));
        }
        let longer = [&encoded[..], b"x"].concat();
        assert!(matches!(decode::<Put>(&longer), Err(CodecError::Cbor(_))));
    }

    #[test]
    fn another_version_is_refused_in_words() {
        let json = br#"{"expected":3,"bytes":"00"}"#;
        let refused = decode::<Put>(json).unwrap_err().to_string();
        assert_eq!(refused, "expected format version 2, found 123");
        assert_eq!(decode::<Put>(b"").unwrap_err().to_string(), "expected format version 2, found no bytes");
    }
}
