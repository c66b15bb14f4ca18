//! The types of the contracts as messages of the wire, and back.
//!
//! Each conversion names every variant, so that a new variant does not compile until it has a message. What comes from
//! the wire may be anything: a message or a variant that is missing or unknown is [`Garbage`], never a default. Only a
//! number or a list that is missing is zero or empty, because proto3 does not tell the difference.

mod append_error;
mod cells;
mod cluster;
mod fixed_text;
mod followed;
mod ids;
mod refusal;
mod store;
mod stream_tails;
mod tails;
mod unit_error;

pub(super) use cells::{cells_from_wire, cells_to_wire, states_from_wire, states_to_wire};

/// A message that no node of this version sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message between nodes is broken: {0} is missing or invalid")]
pub(super) struct Garbage(pub(super) &'static str);

impl From<Garbage> for tonic::Status {
    fn from(garbage: Garbage) -> Self {
        tonic::Status::invalid_argument(garbage.to_string())
    }
}

/// A type of the contracts that has a message.
pub(super) trait Wire: Sized {
    /// The message.
    type Message;
    /// The message of this value.
    fn to_wire(self) -> Self::Message;
    /// The value of a message.
    fn from_wire(message: Self::Message) -> Result<Self, Garbage>;

    /// The value of a field. `name` says in an error which field it is.
    fn required(field: Option<Self::Message>, name: &'static str) -> Result<Self, Garbage> {
        Self::from_wire(field.ok_or(Garbage(name))?)
    }
}
