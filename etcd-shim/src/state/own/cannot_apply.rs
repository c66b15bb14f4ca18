//! [`CannotApply`]: why a node cannot apply the next command of a program's own state machine.

use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why a node cannot apply the next command of a program's own state machine. Clones are the same failure. The node ends
/// with it, and the callers of the program are told the reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct CannotApply {
    why: Arc<OnceLock<String>>,
    node: CancellationToken,
}

impl CannotApply {
    /// There is no failure yet. The node ends when `node` is cancelled.
    pub(crate) fn new(node: CancellationToken) -> Self {
        Self { why: Arc::default(), node }
    }

    /// The reason, if there is a failure.
    pub(crate) fn why(&self) -> Option<&str> {
        self.why.get().map(String::as_str)
    }

    /// Notes the reason, unless there is one already, and ends the node. Then unwinds to the Worker of this thread, so that
    /// the entry is not applied: its transaction is dropped on the way, which undoes its changes. The hook for panics is
    /// not called, because the reason is no mistake in this program, or the hook was called for it before.
    pub(crate) fn end(&self, why: String) -> ! {
        let why = self.why.get_or_init(|| why).clone();
        // An entry may also be applied on a thread whose end does not end the node.
        self.node.cancel();
        resume_unwind(Box::new(why))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use naxos_proto::seams::panic_text;

    use super::*;

    #[test]
    fn the_first_reason_stays_and_the_node_ends() {
        let node = CancellationToken::new();
        let failure = CannotApply::new(node.clone());
        assert_eq!((failure.why(), node.is_cancelled()), (None, false));
        for why in ["first", "second"] {
            let panic = catch_unwind(AssertUnwindSafe(|| failure.end(why.to_owned()))).unwrap_err();
            assert_eq!(panic_text(&*panic), "first");
        }
        assert_eq!((failure.why(), node.is_cancelled()), (Some("first"), true));
    }
}
