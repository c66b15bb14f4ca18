//! [`CtlError`]: why a command failed.

use std::io;
use std::time::Duration;

use crate::node::recover::RecoverError;
use crate::node::restore::RestoreError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CtlError {
    /// The arguments are wrong.
    #[error("{0}")]
    Arguments(String),
    /// The call failed: the server refused it, or the connection could not be opened or broke.
    #[error("{}{}", .status.message(), hint(.status, *.secure))]
    Refused {
        /// The server's answer.
        status: Box<tonic::Status>,
        /// Whether the connection used TLS.
        secure: bool,
    },
    /// The recovery has failed.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The restore has failed.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The answer cannot be written to stdout.
    #[error("writing the answer: {0}")]
    Output(io::Error),
    /// The server did not answer in time.
    #[error("no answer from {endpoint} within {}", humantime::format_duration(*.limit))]
    Late {
        /// The endpoint that was asked.
        endpoint: String,
        /// How long the command waited.
        limit: Duration,
    },
}

fn hint(status: &tonic::Status, secure: bool) -> &'static str {
    match status.code() {
        tonic::Code::Unimplemented => " (a real etcd has no such service)",
        // tonic reports this code if the server closes the connection at once.
        tonic::Code::Cancelled => {
            " (the server closed the connection; if it demands certificates, give --cert and --key)"
        }
        _ if !secure && status.message().contains("h2 protocol error") => {
            " (if the server demands TLS, give --endpoints as https://)"
        }
        _ => "",
    }
}
