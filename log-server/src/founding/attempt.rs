//! [`Attempt`]: what a candidate knows of one ballot, without I/O.

use std::collections::{BTreeMap, BTreeSet};

use naxos_proto::contracts::{
    Ballot, Founder, FoundingAnswer, FoundingRefusal, FoundingReply, FoundingStep, FoundingValue,
};
use naxos_proto::ids::{ClusterId, LogId, MemberId, StorageId};

/// What an answer means for the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The answer was counted, or it tells nothing new.
    Counted,
    /// A seat has promised to a higher ballot, so the candidate gives this attempt up.
    Outbid(Ballot),
    /// The log of the cluster is known. The attempt must end with it.
    Founded(FoundingValue),
    /// The seat does not take part.
    Refused(FoundingRefusal),
    /// Another seat answered than the one that was asked.
    OtherSeat(ClusterId, MemberId),
}

/// One ballot of a candidate. First it collects promises. Once [`Self::propose`] was called, it collects acceptances.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    cluster: ClusterId,
    ballot: Ballot,
    /// How many seats are listed.
    seats: usize,
    /// The log that the candidate has drawn.
    log: LogId,
    /// The seats that promised, each with the data directory that remembers the promise.
    promises: BTreeMap<MemberId, StorageId>,
    /// The value with the highest ballot among the accepted values that the promises carry.
    found: Option<(Ballot, FoundingValue)>,
    /// The value that the seats are asked to accept. It does not change any more.
    proposed: Option<FoundingValue>,
    acceptances: BTreeSet<MemberId>,
}

impl Attempt {
    pub(super) fn new(cluster: ClusterId, ballot: Ballot, seats: usize, log: LogId) -> Self {
        Self {
            cluster,
            ballot,
            seats,
            log,
            promises: BTreeMap::new(),
            found: None,
            proposed: None,
            acceptances: BTreeSet::new(),
        }
    }

    fn is_majority(&self, count: usize) -> bool {
        count > self.seats / 2
    }

    /// Whether a majority of all listed seats has promised. Only then may a value be proposed.
    pub(super) fn has_majority(&self) -> bool {
        self.is_majority(self.promises.len())
    }

    /// Whether every listed seat has promised.
    pub(super) fn has_all(&self) -> bool {
        self.promises.len() == self.seats
    }

    /// Whether the attempt asks for acceptances by now.
    pub(super) fn is_proposed(&self) -> bool {
        self.proposed.is_some()
    }

    /// Whether `seat` has given the answer that the attempt waits for now.
    pub(super) fn has_answer_of(&self, seat: MemberId) -> bool {
        match self.proposed {
            None => self.promises.contains_key(&seat),
            Some(_) => self.acceptances.contains(&seat),
        }
    }

    /// Counts an answer to a question that was sent to the seat `asked`.
    pub(super) fn hear(&mut self, asked: MemberId, answer: FoundingAnswer) -> Heard {
        let FoundingAnswer { cluster, from, reply } = answer;
        // A refusal may come from a seat of another cluster, or from another seat.
        if let FoundingReply::Refused(refusal) = reply {
            return Heard::Refused(refusal);
        }
        if (cluster, from.seat) != (self.cluster, asked) {
            return Heard::OtherSeat(cluster, from.seat);
        }
        match reply {
            FoundingReply::Founded(value) => return Heard::Founded(value),
            FoundingReply::Outbid { promised } if promised > self.ballot => return Heard::Outbid(promised),
            FoundingReply::Promised { ballot, accepted } if ballot == self.ballot && self.proposed.is_none() => {
                // A seat whose disk was emptied meanwhile counts with its new disk: the old one remembers nothing.
                self.promises.insert(from.seat, from.storage);
                if let Some(accepted) = accepted {
                    let is_highest = self.found.as_ref().is_none_or(|(highest, _)| *highest < accepted.0);
                    if is_highest {
                        self.found = Some(accepted);
                    }
                }
            }
            FoundingReply::Accepted { ballot }
                if ballot == self.ballot && self.promises.get(&from.seat) == Some(&from.storage) =>
            {
                self.acceptances.insert(from.seat);
            }
            _ => {}
        }
        Heard::Counted
    }

    /// Fixes the value: the one that was accepted under the highest ballot, else the candidate's own. Panics without a
    /// majority of promises.
    pub(super) fn propose(&mut self) {
        assert!(self.has_majority(), "{} of {} seats have promised", self.promises.len(), self.seats);
        let founders = self.promises.iter().map(|(seat, storage)| Founder { seat: *seat, storage: *storage }).collect();
        let found = self.found.take().map(|(_, value)| value);
        self.proposed = Some(found.unwrap_or(FoundingValue { log: self.log, founders }));
    }

    /// What `seat` is asked to do next. `None` if it is asked nothing: once a value is proposed, a seat that has not
    /// promised is told of the decision later.
    pub(super) fn step(&self, seat: MemberId) -> Option<FoundingStep> {
        let ballot = self.ballot;
        match &self.proposed {
            None => Some(FoundingStep::Promise { ballot }),
            Some(value) => {
                let storage = *self.promises.get(&seat)?;
                Some(FoundingStep::Accept { ballot, storage, value: value.clone() })
            }
        }
    }

    /// The value, once a majority of all listed seats has accepted it.
    pub(super) fn decided(&self) -> Option<&FoundingValue> {
        self.proposed.as_ref().filter(|_| self.is_majority(self.acceptances.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId(9);

    fn founder(seat: u64) -> Founder {
        Founder { seat: MemberId(seat), storage: StorageId(seat * 0x11) }
    }

    fn ballot(round: u64) -> Ballot {
        Ballot { round, seat: MemberId(1), storage: StorageId(0x11) }
    }

    fn attempt(seats: usize) -> Attempt {
        Attempt::new(CLUSTER, ballot(5), seats, LogId(100))
    }

    fn hear(attempt: &mut Attempt, from: Founder, reply: FoundingReply) -> Heard {
        attempt.hear(from.seat, FoundingAnswer { cluster: CLUSTER, from, reply })
    }

    fn promise(attempt: &mut Attempt, seat: u64, accepted: Option<(u64, u64)>) {
        let value = |log| FoundingValue { log: LogId(log), founders: vec![founder(2), founder(3)] };
        let accepted = accepted.map(|(round, log)| (ballot(round), value(log)));
        hear(attempt, founder(seat), FoundingReply::Promised { ballot: ballot(5), accepted });
    }

    fn accept(attempt: &mut Attempt, from: Founder) {
        hear(attempt, from, FoundingReply::Accepted { ballot: ballot(5) });
    }

    #[test]
    fn a_majority_of_all_listed_seats_is_needed_twice() {
        for seats in [1, 2, 3, 4, 5] {
            let mut attempt = attempt(seats);
            let majority = seats / 2 + 1;
            for seat in 1..=majority as u64 {
                assert!(!attempt.has_majority(), "{seats} seats");
                promise(&mut attempt, seat, None);
                promise(&mut attempt, seat, None);
            }
            assert!(attempt.has_majority());
            attempt.propose();
            for seat in 1..=majority as u64 {
                assert_eq!(attempt.decided(), None, "{seats} seats");
                accept(&mut attempt, founder(seat));
                accept(&mut attempt, founder(seat));
            }
            let founders: Vec<_> = (1..=majority as u64).map(founder).collect();
            assert_eq!(attempt.decided(), Some(&FoundingValue { log: LogId(100), founders }));
        }
    }

    #[test]
    fn the_value_of_the_highest_accepted_ballot_is_proposed() {
        let mut attempt = attempt(5);
        promise(&mut attempt, 1, Some((2, 20)));
        promise(&mut attempt, 2, Some((4, 40)));
        promise(&mut attempt, 3, Some((3, 30)));
        attempt.propose();
        // A promise that comes later changes nothing any more, and its seat is not asked to accept.
        promise(&mut attempt, 4, Some((5, 50)));
        assert_eq!(attempt.step(MemberId(4)), None);
        let Some(FoundingStep::Accept { storage, value, .. }) = attempt.step(MemberId(2)) else { panic!() };
        assert_eq!((storage, value.log), (StorageId(0x22), LogId(40)));
    }

    #[test]
    fn a_seat_with_a_new_disk_does_not_count_for_the_promise_of_the_old_one() {
        let mut attempt = attempt(3);
        let emptied = Founder { storage: StorageId(0x99), ..founder(2) };
        promise(&mut attempt, 1, None);
        promise(&mut attempt, 2, None);
        attempt.propose();
        accept(&mut attempt, founder(1));
        accept(&mut attempt, emptied);
        assert_eq!(attempt.decided(), None);
        let promised = FoundingReply::Promised { ballot: ballot(5), accepted: None };
        hear(&mut attempt, emptied, promised);
        accept(&mut attempt, emptied);
        assert_eq!(attempt.decided(), None);
        accept(&mut attempt, founder(2));
        assert!(attempt.decided().is_some());
    }

    #[test]
    fn a_seat_whose_disk_is_emptied_before_the_proposal_is_a_founder_with_the_new_one() {
        let mut attempt = attempt(3);
        let emptied = Founder { storage: StorageId(0x99), ..founder(2) };
        promise(&mut attempt, 1, None);
        promise(&mut attempt, 2, None);
        hear(&mut attempt, emptied, FoundingReply::Promised { ballot: ballot(5), accepted: None });
        attempt.propose();
        let Some(FoundingStep::Accept { value, .. }) = attempt.step(MemberId(2)) else { panic!() };
        assert_eq!(value.founders, [founder(1), emptied]);
    }

    #[test]
    fn answers_to_other_ballots_and_of_other_seats_do_not_count() {
        let mut attempt = attempt(1);
        let old = FoundingReply::Promised { ballot: ballot(4), accepted: None };
        assert_eq!(hear(&mut attempt, founder(1), old), Heard::Counted);
        let reply = FoundingReply::Promised { ballot: ballot(5), accepted: None };
        let answer = FoundingAnswer { cluster: CLUSTER, from: founder(2), reply };
        assert_eq!(attempt.hear(MemberId(1), answer), Heard::OtherSeat(CLUSTER, MemberId(2)));
        assert!(!attempt.has_majority());
        let lower = FoundingReply::Outbid { promised: ballot(4) };
        assert_eq!(hear(&mut attempt, founder(1), lower), Heard::Counted);
        let higher = FoundingReply::Outbid { promised: ballot(6) };
        assert_eq!(hear(&mut attempt, founder(1), higher), Heard::Outbid(ballot(6)));
    }

    #[test]
    fn a_veto_ends_the_attempt_with_the_log_that_it_names() {
        let mut attempt = attempt(3);
        let value = FoundingValue { log: LogId(7), founders: Vec::new() };
        let heard = hear(&mut attempt, founder(3), FoundingReply::Founded(value.clone()));
        assert_eq!(heard, Heard::Founded(value));
    }
}
