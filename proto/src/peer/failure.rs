//! [`Failure`]: why a call had no answer of the service.

use std::error::Error;

use tonic::{Code, Status};

use crate::ids::LogId;
use crate::peer::connector::NotConnected;
use crate::peer::envelope::LOG;

/// Why a call had no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The call was certainly not carried out: there was no connection, or the gate of the peer refused the call.
    #[error("{0}")]
    NotDone(String),
    /// The call was certainly not carried out: the peer belongs to another log.
    #[error("the peer refused the call: {text}")]
    OtherLog {
        /// The log of the peer.
        log: LogId,
        /// What the peer says.
        text: String,
    },
    /// The call may or may not have been carried out.
    #[error("{0}")]
    Lost(String),
}

/// The deepest error among the sources of `status`. It says more than the status, whose text is often "transport error".
fn cause(status: &Status) -> Option<&(dyn Error + 'static)> {
    std::iter::successors(status.source(), |error| (*error).source()).last()
}

/// The log of the peer, if its gate refused the call because the caller belongs to another one.
fn other_log(status: &Status) -> Option<LogId> {
    let log = status.metadata().get(LOG)?.to_str().ok()?;
    u64::from_str_radix(log, 16).ok().map(LogId)
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let mut sources = std::iter::successors(status.source(), |error| (*error).source());
        if let Some(error) = sources.find_map(|error| error.downcast_ref::<NotConnected>()) {
            return Failure::NotDone(error.to_string());
        }
        if let Some(log) = other_log(&status) {
            return Failure::OtherLog { log, text: status.message().to_owned() };
        }
        match (status.code(), cause(&status)) {
            // Only the gate of the peer answers with this code.
            (Code::FailedPrecondition, _) => {
                Failure::NotDone(format!("the peer refused the call: {}", status.message()))
            }
            (code, None) => Failure::Lost(format!("{code:?}: {}", status.message())),
            (code, Some(cause)) => Failure::Lost(format!("{code:?}: {}: {cause}", status.message())),
        }
    }
}
