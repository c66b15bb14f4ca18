//! [`LateRefusals`]: conditional appends that are refused because of an append that is still on its way.
//!
//! A caller whose condition fails reads the stream again and decides again. As long as the append that was faster is on its
//! way, the caller would find nothing new, and its next condition would fail too. So the refusal is told when that append is
//! settled.

use naxos_proto::contracts::Refusal;
use naxos_proto::ids::Offset;

/// At most this many refusals are held back. Further ones are told at once.
const WAITING_MAX: usize = 4_096;

struct Waiting<T> {
    /// The offset after the append that was faster.
    end: Offset,
    tag: T,
    refusal: Refusal,
}

/// See the module. `T` is what the caller attached to its append.
pub(crate) struct LateRefusals<T>(Vec<Waiting<T>>);

impl<T> LateRefusals<T> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Holds back a refusal until everything below `end` is settled. Returns it if too many are held back already.
    pub(crate) fn hold(&mut self, end: Offset, tag: T, refusal: Refusal) -> Option<(T, Refusal)> {
        if self.0.len() >= WAITING_MAX {
            return Some((tag, refusal));
        }
        self.0.push(Waiting { end, tag, refusal });
        None
    }

    /// Takes out the refusals that are to be told now: everything below `known_tail` is settled, and nothing is on its way if
    /// `is_idle`.
    pub(crate) fn take_due(&mut self, known_tail: Offset, is_idle: bool) -> Vec<(T, Refusal)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let due = self.0.extract_if(.., |waiting| is_idle || waiting.end <= known_tail);
        due.map(|waiting| (waiting.tag, waiting.refusal)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_when_the_faster_append_is_settled() {
        let mut late = LateRefusals::new();
        for (end, tag) in [(3, 'a'), (5, 'b'), (4, 'c')] {
            assert!(late.hold(Offset(end), tag, Refusal::Overloaded).is_none());
        }
        let tags = |due: Vec<(char, Refusal)>| due.into_iter().map(|(tag, _)| tag).collect::<String>();
        assert_eq!(tags(late.take_due(Offset(2), false)), "");
        assert_eq!(tags(late.take_due(Offset(4), false)), "ac");
        assert_eq!(tags(late.take_due(Offset(4), true)), "b", "the faster append was not done");
        (0..WAITING_MAX).for_each(|_| assert!(late.hold(Offset(9), 'd', Refusal::Overloaded).is_none()));
        assert_eq!(late.hold(Offset(9), 'e', Refusal::Overloaded), Some(('e', Refusal::Overloaded)));
    }
}
