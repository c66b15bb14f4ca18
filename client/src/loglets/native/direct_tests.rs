use futures::FutureExt;
use futures::future::BoxFuture;

use super::*;

fn at(tail: u64) -> LocalTail {
    LocalTail { tail: Offset(tail), known_tail: Offset::ZERO, sealed: false, trim_point: Offset::ZERO }
}

/// An append that was sent, and how the sequencer answers it.
struct Sent {
    granted: Option<OnGrant>,
    answered: Option<Done>,
    outcome: BoxFuture<'static, Outcome>,
}

impl Sent {
    fn grant(&mut self, at: u64) {
        self.granted.take().expect("an append is granted once")(Offset(at));
    }

    fn answer(&mut self, outcome: Outcome) {
        self.answered.take().expect("an append is answered once").complete(outcome);
    }

    fn outcome(&mut self) -> Option<Outcome> {
        (&mut self.outcome).now_or_never()
    }
}

fn append(direct: &Arc<Direct>, cells: u64) -> Sent {
    let (done, outcome) = Completion::channel();
    let (granted, answered) = direct.append(cells, done);
    Sent { granted: Some(granted), answered: Some(answered), outcome }
}

fn unknown() -> Outcome {
    Err(AppendError::Unknown("lost".to_owned()))
}

fn undecided(at: u64) -> Option<Outcome> {
    Some(Err(AppendError::Undecided { at: Offset(at) }))
}

#[test]
fn told_tails_acknowledge_what_was_granted_and_nothing_else() {
    let direct = Arc::new(Direct::new(3, 2));
    let (mut one, mut two, mut three) = (append(&direct, 2), append(&direct, 2), append(&direct, 1));
    one.grant(0);
    two.grant(2);
    assert_eq!(direct.told(0, at(5)), Offset(0));
    assert_eq!(one.outcome(), None, "one unit is no quorum");
    assert_eq!(direct.told(2, at(3)), Offset(3));
    assert_eq!(one.outcome(), Some(Ok(Offset(0))));
    assert_eq!(two.outcome(), None, "its second cell is on one unit");
    assert_eq!(direct.told(1, at(5)), Offset(5));
    assert_eq!(two.outcome(), Some(Ok(Offset(2))));
    assert_eq!(three.outcome(), None, "nobody here knows its offset");
    three.grant(4);
    assert_eq!(three.outcome(), Some(Ok(Offset(4))), "the grant came after the tails");
    one.answer(unknown());
    assert!(direct.state.lock().waiting.is_empty(), "the sequencer's answer comes too late to matter");
}

#[test]
fn an_answer_of_the_sequencer_acknowledges_an_append_and_all_before_it() {
    let direct = Arc::new(Direct::new(3, 2));
    let (mut one, mut two, mut three) = (append(&direct, 1), append(&direct, 1), append(&direct, 1));
    one.grant(0);
    two.answer(Ok(Offset(1)));
    assert_eq!((one.outcome(), two.outcome()), (Some(Ok(Offset(0))), Some(Ok(Offset(1)))));
    three.answer(Err(AppendError::Sealed));
    assert_eq!(three.outcome(), Some(Err(AppendError::Sealed)));
}

#[test]
fn rule_10_what_a_dead_sequencer_took_along_is_settled_by_the_units_or_by_the_chain() {
    let direct = Arc::new(Direct::new(3, 2));
    let listening = direct.begin_to_listen();
    let (mut durable, mut open, mut nowhere) = (append(&direct, 1), append(&direct, 1), append(&direct, 1));
    durable.grant(0);
    open.grant(1);
    durable.answer(unknown());
    open.answer(unknown());
    nowhere.answer(unknown());
    assert_eq!(nowhere.outcome(), Some(unknown()), "without an offset only the sequencer knows");
    assert_eq!((durable.outcome(), open.outcome()), (None, None));
    direct.told(0, at(2));
    direct.told(1, at(1));
    assert_eq!((durable.outcome(), open.outcome()), (Some(Ok(Offset(0))), None));
    direct.retire();
    assert_eq!(open.outcome(), undecided(1));
    let mut late = append(&direct, 1);
    late.grant(7);
    assert_eq!(late.outcome(), undecided(7), "a grant that comes after the end");
    drop(listening);
}

#[tokio::test]
async fn rule_10_what_the_sequencer_lost_does_not_wait_for_ever() {
    let direct = Arc::new(Direct::new(3, 2));
    let mut unheard = append(&direct, 1);
    unheard.grant(0);
    unheard.answer(unknown());
    assert_eq!(unheard.outcome(), Some(unknown()), "nobody follows the units");

    let listening = direct.begin_to_listen();
    let lose = || {
        let mut lost = append(&direct, 1);
        lost.grant(1);
        lost.answer(unknown());
        lost.outcome
    };
    let (patience, over) = (Notify::new(), Notify::new());
    let expiring = direct.expire(|| {
        over.notify_one();
        patience.notified()
    });
    let first = lose();
    tokio::select! {
        () = expiring => {}
        () = async {
            over.notified().await;
            let mut second = lose();
            patience.notify_one();
            assert_eq!(first.await, unknown());
            assert_eq!((&mut second).now_or_never(), None, "its patience begins now");
            over.notified().await;
            patience.notify_one();
            assert_eq!(second.await, unknown());
        } => {}
    }
    let last = lose();
    drop(listening);
    assert_eq!(last.await, unknown());
}

#[test]
fn rule_12_a_bounded_number_of_appends_that_the_sequencer_lost_waits_for_the_units() {
    let direct = Arc::new(Direct::new(3, 2));
    let _listening = direct.begin_to_listen();
    let mut lost: Vec<_> = (0..LOST_MAX as u64).map(|n| (n, append(&direct, 1))).collect();
    for (n, sent) in &mut lost {
        sent.grant(*n);
        sent.answer(unknown());
        assert_eq!(sent.outcome(), None);
    }
    let mut one_more = append(&direct, 1);
    one_more.grant(LOST_MAX as u64);
    one_more.answer(unknown());
    assert_eq!(one_more.outcome(), Some(unknown()));
}
