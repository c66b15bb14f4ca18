//! openraft's types as this replica fills them in.

use std::io::Cursor;

use naxos_proto::contracts::{PutOutcome, Versioned};
use naxos_proto::ids::ChainVersion;
use serde::{Deserialize, Serialize};

use crate::meta::seeded_runtime::SeededRuntime;

/// A compare-and-swap of the register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Put {
    pub(crate) expected: u64,
    #[serde(with = "hex")]
    pub(crate) bytes: Vec<u8>,
}

/// What became of a [`Put`]; membership and blank entries answer `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    None,
    Ok(u64),
    Conflict(Value),
}

/// The register's value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) version: u64,
    #[serde(with = "hex")]
    pub(crate) bytes: Vec<u8>,
}

impl From<Value> for Versioned {
    fn from(value: Value) -> Self {
        Versioned { version: ChainVersion(value.version), bytes: value.bytes.into() }
    }
}

impl Answer {
    /// The contract's form; `None` for an entry that was no put.
    pub(crate) fn outcome(self) -> Option<PutOutcome> {
        match self {
            Answer::None => None,
            Answer::Ok(version) => Some(PutOutcome::Ok(ChainVersion(version))),
            Answer::Conflict(value) => Some(PutOutcome::Conflict(value.into())),
        }
    }
}

openraft::declare_raft_types!(
    pub(crate) TypeConfig:
        D = Put,
        R = Answer,
        NodeId = u64,
        Node = openraft::EmptyNode,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = SeededRuntime,
);

pub(crate) type Entry = openraft::Entry<TypeConfig>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type Raft = openraft::Raft<TypeConfig>;

/// Bytes as hexadecimal text: JSON has no bytes, and a list of numbers is four times as long.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        let digit = |n: u8| char::from(DIGITS[usize::from(n)]);
        s.serialize_str(&bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|n| u8::try_from(n).ok());
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.ok_or_else(|| D::Error::custom("expected pairs of hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_hexadecimal_in_json() {
        let put = Put { expected: 3, bytes: vec![0, 10, 255] };
        let json = serde_json::to_string(&put).unwrap();
        assert_eq!(json, r#"{"expected":3,"bytes":"000aff"}"#);
        assert_eq!(serde_json::from_str::<Put>(&json).unwrap(), put);
        for bad in ["0", "0g", "\u{e9}0"] {
            assert!(serde_json::from_str::<Put>(&json.replace("000aff", bad)).is_err());
        }
    }
}
