//! [`judged`] and [`verdict`]: whether a limit holds, and how a table says so.

use crate::servers::Candidate;

/// Whether a limit holds. `None` if it is not judged: only the limits of Naxos are.
pub(crate) fn judged(server: Candidate, held: bool) -> Option<bool> {
    (server == Candidate::Naxos).then_some(held)
}

/// The word with which a table shows whether a limit holds. `judged` is `None` if the limit is not judged.
pub(crate) fn verdict(judged: Option<bool>) -> String {
    let words = match judged {
        None => "-",
        Some(true) => "pass",
        Some(false) => "FAIL",
    };
    words.to_owned()
}
