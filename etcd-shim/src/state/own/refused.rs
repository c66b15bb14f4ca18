//! [`Refused`]: why a program's own state machine did not carry a command out.

use std::error::Error;

/// Why a program's own state machine did not carry a command out. Any error can become one by `?`. The text must be the
/// same on all nodes, so it must not contain an address or a number that differs between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl Refused {
    /// A refusal with this text, which the caller gets.
    pub fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl<E: Error> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
