//! [`print`]: writes an answer to stdout.

use std::io::{ErrorKind, Write};

use super::ctl_error::CtlError;

/// Prints like `print!`, but it is not an error if the reader has gone (`naxos ctl status | head`).
pub(super) fn print(text: &str) -> Result<(), CtlError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CtlError::Output(error)),
        _ => Ok(()),
    }
}
