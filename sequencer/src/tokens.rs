//! [`Tokens`]: the offsets of a loglet whose clients write their cells themselves (CORFU, section 3.2.1).

use naxos_proto::contracts::{AppendError, Refusal};
use naxos_proto::ids::Offset;
use parking_lot::Mutex;

struct State {
    next: Offset,
    is_retired: bool,
}

/// A counter of offsets. Its only purpose is that clients try different offsets. Safety does not depend on it: the first
/// unit of the chain writes each cell once, and so decides which value an offset has.
pub(crate) struct Tokens(Mutex<State>);

impl Tokens {
    /// No offset is given out yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { next: Offset::ZERO, is_retired: false }))
    }

    /// Gives out `count` consecutive offsets and returns the first of them. They are never given out again. After
    /// [`Self::retire`] none is given out.
    pub(crate) fn grant(&self, count: u32) -> Result<Offset, AppendError> {
        let mut state = self.0.lock();
        if state.is_retired {
            return Err(AppendError::Sealed);
        }
        let next = state.next.checked_add(count.into()).filter(|_| count > 0);
        let Some(next) = next else {
            let text = format!("a grant of {count} offsets from {} on is not possible", state.next);
            return Err(Refusal::Unsupported(text).into());
        };
        Ok(std::mem::replace(&mut state.next, next))
    }

    /// Notes that the chain has ended the loglet.
    pub(crate) fn retire(&self) {
        self.0.lock().is_retired = true;
    }

    /// The next offset that will be given out.
    pub(crate) fn next(&self) -> Offset {
        self.0.lock().next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_given_out_once_and_none_after_the_end() {
        let tokens = Tokens::new();
        assert_eq!(tokens.grant(2), Ok(Offset(0)));
        assert_eq!(tokens.grant(1), Ok(Offset(2)));
        assert!(matches!(tokens.grant(0), Err(AppendError::Refused(_))), "an append has a cell");
        assert_eq!(tokens.next(), Offset(3));
        tokens.retire();
        assert_eq!(tokens.grant(1), Err(AppendError::Sealed));
    }
}
