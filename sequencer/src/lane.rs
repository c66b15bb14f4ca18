//! [`Lane`]: the stores of one loglet that wait for one unit. Nothing here takes a lock, reads a clock or calls
//! another node.
//!
//! Stores are sent in order, several at a time. If the loglet has several units, a store is sent again until the unit
//! gives a final answer ([`Answer::is_final`]). One failed store makes those after it fail too, because a unit takes no
//! cell whose predecessor it lacks. So after a failure the lane sends nothing, waits until every store that is out was
//! answered, rests, and begins again with the oldest store that has no final answer (go-back-N).
//!
//! A unit that is slow or away makes its lane longer. A lane over its bound drops the oldest batches that are committed.
//! The unit may skip them, because each store names the known tail. The unit gets their cells later from other units.

use std::collections::VecDeque;

use naxos_proto::contracts::{Cell, Refusal};
use naxos_proto::ids::Offset;

use crate::answer::Answer;
use crate::grants::Grant;

/// How much a lane may hold and send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneMax {
    /// How many stores may be out at a time. A store is out from the moment it is sent until it is answered.
    pub(crate) out: usize,
    /// How many batches may wait. More may wait while the oldest one is not committed.
    pub(crate) batches: usize,
    /// How many bytes the waiting batches may have together. They may have more while the oldest one is not committed.
    pub(crate) bytes: u64,
}

/// What a lane does now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Stores are sent.
    Sending,
    /// A store failed with this answer. Nothing is sent until all stores that are out were answered and the lane has
    /// rested.
    Failed(Answer),
    /// Nothing more is sent. Either the unit takes no more stores, or nothing that waits is needed any more.
    Ended,
}

struct Waiting {
    grant: Grant,
    /// The offset after the batch.
    end: Offset,
    /// Empty if the batch was sent and is not sent again.
    cells: Vec<Cell>,
    bytes: u64,
    was_sent: bool,
    /// Whether a store of this batch is out.
    is_out: bool,
    is_answered: bool,
}

/// The stores for one unit; see the module.
pub(crate) struct Lane {
    resends: bool,
    max: LaneMax,
    /// The oldest batch whose last answer is not known yet, and all batches after it. The last answer of a batch is the
    /// one after which no store of it is sent. Some of the later batches may have their last answer already. The
    /// numbers of the batches are consecutive.
    queue: VecDeque<Waiting>,
    bytes: u64,
    /// How many batches at the front of the queue were passed over or sent since the lane began to send.
    sent: usize,
    out: usize,
    phase: Phase,
    /// How many batches were dropped because the lane was too long.
    dropped: u64,
}

/// A store that is to be sent.
pub(crate) struct Sent {
    pub(crate) grant: Grant,
    pub(crate) cells: Vec<Cell>,
}

impl Lane {
    /// An empty lane. `resends` says whether a store is sent again if its answer is not final.
    pub(crate) fn new(resends: bool, max: LaneMax) -> Self {
        let queue = VecDeque::new();
        Self { resends, max, queue, bytes: 0, sent: 0, out: 0, phase: Phase::Sending, dropped: 0 }
    }

    /// Adds a batch. If the lane has ended, the unit gets no more stores. Then the batch is not added, and its answer is
    /// returned.
    pub(crate) fn push(&mut self, grant: Grant, cells: Vec<Cell>, bytes: u64) -> Option<Answer> {
        if self.phase == Phase::Ended {
            return Some(Answer::Sealed);
        }
        self.bytes += bytes;
        let end = grant.at.plus(cells.len() as u64);
        self.queue.push_back(Waiting { grant, end, cells, bytes, was_sent: false, is_out: false, is_answered: false });
        None
    }

    /// The next store to send, if one may be sent now.
    pub(crate) fn next(&mut self) -> Option<Sent> {
        if self.phase != Phase::Sending || self.out >= self.max.out {
            return None;
        }
        while let Some(waiting) = self.queue.get_mut(self.sent) {
            self.sent += 1;
            if waiting.is_answered {
                continue;
            }
            self.out += 1;
            waiting.was_sent = true;
            waiting.is_out = true;
            let cells = if self.resends { waiting.cells.clone() } else { std::mem::take(&mut waiting.cells) };
            return Some(Sent { grant: waiting.grant, cells });
        }
        None
    }

    /// Takes the answer to a store. Returns the batches whose last answers are known now, with these answers.
    pub(crate) fn answer(&mut self, id: u64, answer: Answer) -> Vec<(u64, Answer)> {
        self.out -= 1;
        let last = if answer.is_final() || !self.resends {
            Some(answer.clone())
        } else if self.phase == Phase::Ended {
            // A sealed unit may have taken this store before its seal, and nothing is sent to it any more.
            Some(held())
        } else {
            self.phase = Phase::Failed(answer.clone());
            None
        };
        let mut settled = Vec::new();
        if let Some(waiting) = self.find(id) {
            waiting.is_out = false;
            if let Some(last) = last {
                waiting.is_answered = true;
                settled.push((id, last));
            }
        }
        if matches!(answer, Answer::Sealed | Answer::Held(_)) && self.resends && self.phase != Phase::Ended {
            settled.extend(self.end());
        }
        self.forget_answered();
        settled
    }

    /// Sends nothing more. So each batch that is not on its way gets its last answer now. A store that is on its way will
    /// still be answered.
    fn end(&mut self) -> Vec<(u64, Answer)> {
        self.phase = Phase::Ended;
        let mut settled = Vec::new();
        for waiting in self.queue.iter_mut().filter(|w| !w.is_out && !w.is_answered) {
            waiting.is_answered = true;
            settled.push((waiting.grant.id, if waiting.was_sent { held() } else { Answer::Sealed }));
        }
        settled
    }

    /// Drops everything, because nothing that waits is needed any more.
    pub(crate) fn clear(&mut self) {
        self.phase = Phase::Ended;
        self.queue.clear();
        (self.bytes, self.sent) = (0, 0);
    }

    /// Returns the answer with which the lane failed, if the lane has failed and no store is out any more. The lane
    /// then waits for [`Self::resume`].
    pub(crate) fn failed(&self) -> Option<&Answer> {
        match &self.phase {
            Phase::Failed(why) if self.out == 0 => Some(why),
            _ => None,
        }
    }

    /// Returns the refusal with which the lane failed, if the lane has failed because the unit's disk is full.
    pub(crate) fn disk_full(&self) -> Option<&Refusal> {
        match &self.phase {
            Phase::Failed(Answer::Refused(refusal @ Refusal::DiskFull { .. })) => Some(refusal),
            _ => None,
        }
    }

    /// If the lane has failed and no store is out any more, begins again with the oldest batch without a final answer.
    pub(crate) fn resume(&mut self) {
        if self.failed().is_some() {
            self.phase = Phase::Sending;
            self.sent = 0;
        }
    }

    /// While the lane is over its bound, drops its oldest batch if that is below `known_tail`. If this call has dropped
    /// batches, it returns how many batches this lane has dropped since it was made.
    pub(crate) fn shorten(&mut self, known_tail: Offset) -> Option<u64> {
        let before = self.dropped;
        while self.queue.len() > self.max.batches || self.bytes > self.max.bytes {
            let is_committed = self.queue.front().is_some_and(|w| w.end <= known_tail);
            if !is_committed {
                break;
            }
            self.pop();
            self.dropped += 1;
        }
        (self.dropped > before).then_some(self.dropped)
    }

    fn find(&mut self, id: u64) -> Option<&mut Waiting> {
        let at = id.checked_sub(self.queue.front()?.grant.id)?;
        self.queue.get_mut(usize::try_from(at).ok()?)
    }

    fn forget_answered(&mut self) {
        while self.queue.front().is_some_and(|w| w.is_answered) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(waiting) = self.queue.pop_front() {
            self.bytes -= waiting.bytes;
            self.sent = self.sent.saturating_sub(1);
        }
    }
}

fn held() -> Answer {
    Answer::Held("a unit was sealed, and nobody knows whether it took the batch before the seal".to_owned())
}

#[cfg(test)]
mod tests {
    use naxos_proto::contracts::UnitError;
    use naxos_proto::ids::LogletId;
    use proptest::prelude::*;

    use super::*;

    const MAX: LaneMax = LaneMax { out: 3, batches: 4, bytes: 100 };

    fn grant(id: u64) -> Grant {
        Grant { id, at: Offset(id) }
    }

    fn lane(batches: u64) -> Lane {
        let mut lane = Lane::new(true, MAX);
        (0..batches).for_each(|id| assert_eq!(lane.push(grant(id), vec![cell()], 1), None));
        lane
    }

    fn cell() -> Cell {
        Cell::new("x".into())
    }

    /// The numbers of the batches that the lane sends now.
    fn sent(lane: &mut Lane) -> Vec<u64> {
        std::iter::from_fn(|| lane.next()).map(|s| s.grant.id).collect()
    }

    fn lost() -> Answer {
        Answer::Unknown("lost".to_owned())
    }

    #[test]
    fn rule_12_a_bounded_number_of_stores_is_out() {
        let mut lane = lane(5);
        assert_eq!(sent(&mut lane), [0, 1, 2]);
        assert_eq!(lane.answer(1, Answer::Durable), [(1, Answer::Durable)]);
        assert_eq!(sent(&mut lane), [3]);
    }

    #[test]
    fn a_failed_store_is_sent_again_with_those_after_it() {
        let mut lane = lane(4);
        assert_eq!(sent(&mut lane), [0, 1, 2]);
        assert!(lane.answer(0, lost()).is_empty());
        assert_eq!(sent(&mut lane), [], "a store after the failed one would meet a gap");
        assert_eq!(lane.failed(), None, "two stores are still out");
        lane.resume();
        assert_eq!(sent(&mut lane), [], "a store that is out could be overtaken by its own second copy");
        // A unit may have taken the first store although its answer was lost, and so the second one too.
        assert_eq!(lane.answer(1, Answer::Durable), [(1, Answer::Durable)]);
        assert!(lane.answer(2, lost()).is_empty());
        assert_eq!(lane.failed(), Some(&lost()));
        lane.resume();
        assert_eq!(sent(&mut lane), [0, 2, 3]);
    }

    #[test]
    fn the_only_unit_gets_each_store_once() {
        let mut lane = Lane::new(false, MAX);
        lane.push(grant(0), vec![cell()], 1);
        assert_eq!(sent(&mut lane), [0]);
        assert_eq!(lane.answer(0, lost()), [(0, lost())]);
        assert_eq!(lane.failed(), None);
        assert_eq!(sent(&mut lane), []);
    }

    #[test]
    fn a_sealed_unit_surely_lacks_only_what_was_never_sent_to_it() {
        let mut lane = lane(4);
        assert_eq!(sent(&mut lane), [0, 1, 2]);
        assert!(lane.answer(0, lost()).is_empty());
        assert_eq!(lane.answer(2, Answer::Sealed), [(2, Answer::Sealed), (0, held()), (3, Answer::Sealed)]);
        assert_eq!(lane.answer(1, lost()), [(1, held())], "it was out when the lane ended");
        assert_eq!(lane.push(grant(4), vec![cell()], 1), Some(Answer::Sealed));
        assert_eq!(sent(&mut lane), []);
        assert_eq!((lane.queue.len(), lane.bytes), (0, 0));
    }

    #[test]
    fn a_long_lane_drops_only_committed_batches() {
        let mut lane = lane(6);
        assert_eq!(sent(&mut lane), [0, 1, 2]);
        assert_eq!(lane.shorten(Offset(1)), Some(1), "batch 1 is not committed");
        assert_eq!(lane.queue.len(), 5);
        assert_eq!(lane.shorten(Offset(6)), Some(2));
        assert_eq!(lane.queue.len(), 4, "no more are dropped than have to be");
        assert!(lane.answer(0, Answer::Durable).is_empty(), "the answer about a dropped batch counts nowhere");
        assert_eq!(sent(&mut lane), [3]);
        let mut big = Lane::new(true, MAX);
        (0..2).for_each(|id| drop(big.push(grant(id), vec![cell()], 90)));
        assert_eq!(big.shorten(Offset(2)), Some(1), "too many bytes");
    }

    #[test]
    fn a_lane_to_the_only_unit_drops_no_batch_that_is_out() {
        // Such a lane keeps no cells of what it has sent.
        let mut lane = Lane::new(false, MAX);
        (0..3).for_each(|id| drop(lane.push(grant(id), vec![cell()], 90)));
        assert_eq!(sent(&mut lane), [0, 1, 2]);
        assert_eq!(lane.shorten(Offset(0)), None, "the first batch is not committed");
        assert_eq!(lane.answer(0, Answer::Durable), [(0, Answer::Durable)]);
        assert_eq!(lane.shorten(Offset(1)), None);
        assert_eq!(lane.answer(1, Answer::Durable), [(1, Answer::Durable)]);
    }

    #[test]
    fn a_full_disk_is_told_until_the_lane_sends_again() {
        let mut lane = lane(1);
        let full = Refusal::DiskFull { free: 1, needed: 2 };
        assert_eq!(sent(&mut lane), [0]);
        assert!(lane.answer(0, Answer::Refused(full.clone())).is_empty());
        assert_eq!(lane.disk_full(), Some(&full));
        lane.resume();
        assert_eq!(lane.disk_full(), None);
        assert!(lane.next().is_some());
        assert!(lane.answer(0, Answer::NotOpen(UnitError::NotOpen(LogletId::default()))).is_empty());
        assert_eq!(lane.disk_full(), None);
    }

    proptest! {
        /// The network to the unit loses calls and answers. Still the unit has every batch in the end, and the lane
        /// knows it.
        #[test]
        fn every_batch_arrives_in_the_end(batches in 1_u64..12, mut fates in prop::collection::vec(0_u8..4, 0..60)) {
            let mut lane = lane(batches);
            let (mut tail, mut durable) = (0, 0);
            for _ in 0..200 {
                let mut out = sent(&mut lane);
                prop_assert!(out.len() <= MAX.out);
                // Answers arrive in any order.
                if fates.len() % 2 == 1 {
                    out.reverse();
                }
                let mut arrived: Vec<(u64, Answer)> = out.iter().map(|id| (*id, lost())).collect();
                arrived.sort_by_key(|(id, _)| *id);
                let mut told = std::collections::BTreeMap::new();
                for (id, _) in arrived {
                    let fate = fates.pop().unwrap_or(0);
                    let answer = match fate {
                        1 => lost(),
                        _ if id > tail => Answer::Refused(Refusal::EarlierFailed(String::new())),
                        fate => {
                            tail = tail.max(id + 1);
                            if fate == 2 { lost() } else { Answer::Durable }
                        }
                    };
                    told.insert(id, answer);
                }
                for id in out {
                    let last = lane.answer(id, told.remove(&id).expect("each was answered"));
                    durable += last.iter().filter(|(_, answer)| *answer == Answer::Durable).count() as u64;
                }
                lane.resume();
            }
            prop_assert_eq!((tail, durable), (batches, batches));
            prop_assert_eq!((lane.queue.len(), lane.bytes, lane.out), (0, 0, 0));
        }
    }
}
