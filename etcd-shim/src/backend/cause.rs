//! The cause of an answer, for callers within the process.

use std::sync::Arc;

use naxos_engines::ProposeError;
use tonic::Status;

/// An answer that also carries what has happened to the proposal.
pub(super) fn with_cause(mut answer: Status, cause: ProposeError) -> Status {
    answer.set_source(Arc::new(cause));
    answer
}

/// The error of the proposal from which `status` was made. `None` if the status does not carry one.
pub(crate) fn cause(status: &Status) -> Option<&ProposeError> {
    std::error::Error::source(status)?.downcast_ref::<ProposeError>()
}
