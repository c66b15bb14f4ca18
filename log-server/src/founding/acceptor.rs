//! What a seat answers to a candidate, as a function of what it remembers.

use naxos_proto::contracts::{
    Ballot, FoundingAnswer, FoundingRefusal, FoundingReply, FoundingRequest, FoundingRuleBroken, FoundingStep,
    FoundingValue,
};

use super::record::FoundingRecord;

impl FoundingRecord {
    /// The answer to `request`, and what the seat remembers from then on if that changes. The new record must be durable
    /// before the answer is given.
    pub(super) fn answer(&self, request: &FoundingRequest) -> (FoundingAnswer, Option<FoundingRecord>) {
        let (reply, next) = self.reply(request);
        (FoundingAnswer { cluster: self.cluster, from: self.own, reply }, next)
    }

    fn reply(&self, request: &FoundingRequest) -> (FoundingReply, Option<FoundingRecord>) {
        if let Some(refusal) = self.refusal(request) {
            return (FoundingReply::Refused(refusal), None);
        }
        // This comes before every step: a seat that knows the log vetoes every other founding.
        if let Some(decided) = &self.decided {
            return (FoundingReply::Founded(decided.clone()), None);
        }
        match &request.step {
            FoundingStep::Promise { ballot } => self.promise(*ballot),
            FoundingStep::Accept { ballot, value, .. } => self.accept(*ballot, value),
            FoundingStep::Learn { value } => {
                let next = FoundingRecord { decided: Some(value.clone()), ..self.clone() };
                (FoundingReply::Founded(value.clone()), Some(next))
            }
        }
    }

    fn promise(&self, ballot: Ballot) -> (FoundingReply, Option<FoundingRecord>) {
        match self.promised {
            Some(promised) if promised > ballot => (FoundingReply::Outbid { promised }, None),
            before => {
                let promised = FoundingReply::Promised { ballot, accepted: self.accepted.clone() };
                // A repeated request is answered again, and there is nothing to write.
                let is_new = before != Some(ballot);
                (promised, is_new.then(|| FoundingRecord { promised: Some(ballot), ..self.clone() }))
            }
        }
    }

    fn accept(&self, ballot: Ballot, value: &FoundingValue) -> (FoundingReply, Option<FoundingRecord>) {
        if let Some(promised) = self.promised.filter(|promised| *promised > ballot) {
            return (FoundingReply::Outbid { promised }, None);
        }
        match &self.accepted {
            Some((accepted, held)) if *accepted == ballot && held != value => {
                (FoundingReply::Refused(FoundingRefusal::Rule(FoundingRuleBroken::TwoValues)), None)
            }
            Some((accepted, _)) if *accepted == ballot => (FoundingReply::Accepted { ballot }, None),
            _ => {
                let accepted = Some((ballot, value.clone()));
                let next = FoundingRecord { promised: Some(ballot), accepted, ..self.clone() };
                (FoundingReply::Accepted { ballot }, Some(next))
            }
        }
    }

    /// Why the seat does not take part in what `request` asks for.
    fn refusal(&self, request: &FoundingRequest) -> Option<FoundingRefusal> {
        let FoundingRequest { cluster, from, to, step } = request;
        if *cluster != self.cluster {
            return Some(FoundingRefusal::OtherCluster { asked: *cluster, own: self.cluster });
        }
        if !self.seats.contains(&from.seat) {
            return Some(FoundingRefusal::NotListed { seat: from.seat, cluster: self.cluster });
        }
        if *to != self.own.seat {
            return Some(FoundingRefusal::OtherSeat { asked: *to, own: self.own.seat });
        }
        let rule = |rule| Some(FoundingRefusal::Rule(rule));
        match step {
            FoundingStep::Promise { ballot } | FoundingStep::Accept { ballot, .. }
                if (ballot.seat, ballot.storage) != (from.seat, from.storage) =>
            {
                rule(FoundingRuleBroken::ForeignBallot)
            }
            FoundingStep::Accept { storage, .. } if *storage != self.own.storage => {
                Some(FoundingRefusal::OtherDisk { asked: *storage, own: self.own.storage })
            }
            FoundingStep::Accept { value, .. } if !self.can_found(value) => rule(FoundingRuleBroken::Founders),
            _ => None,
        }
    }

    /// Whether the founders of `value` are a majority of the listed seats.
    fn can_found(&self, value: &FoundingValue) -> bool {
        let founders = &value.founders;
        founders.is_sorted_by(|a, b| a.seat < b.seat)
            && founders.iter().all(|founder| self.seats.contains(&founder.seat))
            && self.is_majority(founders.len())
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::contracts::Founder;
    use naxos_proto::ids::{ClusterId, LogId, MemberId, StorageId};

    use super::*;

    const A: Founder = Founder { seat: MemberId(1), storage: StorageId(0x11) };
    const B: Founder = Founder { seat: MemberId(2), storage: StorageId(0x22) };
    const C: Founder = Founder { seat: MemberId(3), storage: StorageId(0x33) };

    fn seat() -> FoundingRecord {
        FoundingRecord::new(ClusterId(9), C, vec![A.seat, B.seat, C.seat])
    }

    fn ballot(round: u64, of: Founder) -> Ballot {
        Ballot { round, seat: of.seat, storage: of.storage }
    }

    fn value(log: u64) -> FoundingValue {
        FoundingValue { log: LogId(log), founders: vec![A, C] }
    }

    fn ask(from: Founder, step: FoundingStep) -> FoundingRequest {
        FoundingRequest { cluster: ClusterId(9), from, to: C.seat, step }
    }

    fn promise(round: u64, from: Founder) -> FoundingRequest {
        ask(from, FoundingStep::Promise { ballot: ballot(round, from) })
    }

    fn accept(round: u64, from: Founder, log: u64) -> FoundingRequest {
        ask(from, FoundingStep::Accept { ballot: ballot(round, from), storage: C.storage, value: value(log) })
    }

    /// Answers, and remembers what has to be remembered.
    fn serve(seat: &mut FoundingRecord, request: &FoundingRequest) -> FoundingReply {
        let (answer, next) = seat.answer(request);
        assert_eq!((answer.cluster, answer.from), (ClusterId(9), C));
        if let Some(next) = next {
            *seat = next;
        }
        answer.reply
    }

    fn refusal(seat: &FoundingRecord, request: &FoundingRequest) -> String {
        match seat.answer(request) {
            (FoundingAnswer { reply: FoundingReply::Refused(refusal), .. }, None) => refusal.to_string(),
            other => panic!("expected a refusal that changes nothing, found {other:?}"),
        }
    }

    #[test]
    fn a_promise_keeps_lower_ballots_out_and_tells_what_was_accepted() {
        let mut seat = seat();
        let (low, high) = (ballot(1, A), ballot(1, B));
        let promised = |ballot, accepted| FoundingReply::Promised { ballot, accepted };
        assert_eq!(serve(&mut seat, &promise(1, A)), promised(low, None));
        assert_eq!(serve(&mut seat, &accept(1, A, 7)), FoundingReply::Accepted { ballot: low });
        assert_eq!(serve(&mut seat, &promise(1, B)), promised(high, Some((low, value(7)))));
        assert_eq!(serve(&mut seat, &accept(1, A, 7)), FoundingReply::Outbid { promised: high });
        assert_eq!(serve(&mut seat, &promise(1, A)), FoundingReply::Outbid { promised: high });
        assert_eq!(seat.answer(&promise(1, B)).1, None, "a repeated request changes nothing");
        assert_eq!(serve(&mut seat, &accept(1, B, 7)), FoundingReply::Accepted { ballot: high });
        assert_eq!(seat.answer(&accept(1, B, 7)).1, None);
        assert!(refusal(&seat, &accept(1, B, 8)).contains("one value under one ballot"));
    }

    #[test]
    fn a_seat_that_knows_the_log_answers_nothing_else() {
        let mut seat = seat();
        let founded = FoundingReply::Founded(value(7));
        assert_eq!(serve(&mut seat, &ask(A, FoundingStep::Learn { value: value(7) })), founded);
        for request in [promise(9, B), accept(9, B, 8), ask(B, FoundingStep::Learn { value: value(8) })] {
            assert_eq!(seat.answer(&request).0.reply, founded, "a veto");
            assert_eq!(seat.answer(&request).1, None);
        }
    }

    #[test]
    fn another_cluster_an_unlisted_seat_and_a_wrong_address_are_refused_in_words() {
        let mut decided = seat();
        serve(&mut decided, &ask(A, FoundingStep::Learn { value: value(7) }));
        for seat in [seat(), decided] {
            let other = FoundingRequest { cluster: ClusterId(0xabc), ..promise(1, A) };
            let text = refusal(&seat, &other);
            assert!(text.contains("0000000000000abc") && text.contains("0000000000000009"), "{text}");
            let stranger = Founder { seat: MemberId(0x77), storage: StorageId(1) };
            let text = refusal(&seat, &promise(1, stranger));
            assert!(text.contains("seat 0000000000000077 is not in the member list of cluster 0000000000000009"));
            let text = refusal(&seat, &FoundingRequest { to: B.seat, ..promise(1, A) });
            assert!(text.contains("two members have the same address"), "{text}");
        }
    }

    #[test]
    fn a_seat_with_a_new_disk_accepts_nothing_that_is_meant_for_its_old_disk() {
        let before = StorageId(0x99);
        let step = FoundingStep::Accept { ballot: ballot(1, A), storage: before, value: value(7) };
        let text = refusal(&seat(), &ask(A, step));
        assert!(text.contains("0000000000000099") && text.contains("0000000000000033"), "{text}");
    }

    #[test]
    fn ballots_of_others_and_values_of_a_minority_are_refused() {
        let step = FoundingStep::Promise { ballot: ballot(1, A) };
        assert!(refusal(&seat(), &ask(B, step)).contains("its own ballot"));
        let stranger = Founder { seat: MemberId(0x77), storage: StorageId(1) };
        for founders in [vec![], vec![A], vec![B, A], vec![A, stranger]] {
            let value = FoundingValue { log: LogId(7), founders };
            let step = FoundingStep::Accept { ballot: ballot(1, A), storage: C.storage, value };
            assert!(refusal(&seat(), &ask(A, step)).contains("a majority of the listed seats"));
        }
    }
}
