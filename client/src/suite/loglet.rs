//! The suite of [`Loglet`]: tests of everything that its callers rely on. A test that fails panics.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use naxos_proto::chain::LogletParams;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, CellState, Followed};
use naxos_proto::ids::{LogId, LogletId, Lsn, Offset};
use naxos_proto::tail::Tail;
use parking_lot::Mutex;

use crate::loglet::{Liveness, Loglet, LogletProvider};

/// A provider that has opened nothing yet.
pub struct LogletSubject {
    /// The provider to test.
    pub provider: Arc<dyn LogletProvider>,
    /// The sequencers and units that it may choose.
    pub alive: Liveness,
    /// How many storage units hold each loglet.
    pub units: usize,
}

/// Runs all cases, each on a loglet of its own.
pub async fn loglet(subject: &LogletSubject) {
    a_loglet_knows_its_parameters(subject).await;
    positions_are_contiguous_from_zero(subject).await;
    acknowledgements_come_in_the_order_of_the_calls(subject).await;
    reads_stop_early_but_answer_a_cell(subject).await;
    a_sealed_loglet_takes_nothing_and_keeps_what_it_has(subject).await;
    rule_3_what_was_acknowledged_lies_below_the_seal(subject).await;
    trimming_forgets_and_moves_no_tail(subject).await;
    a_loglet_opened_twice_is_one(subject).await;
    a_follower_sees_what_is_committed_in_order_and_the_seal(subject).await;
    a_follower_of_a_trimmed_range_jumps(subject).await;
    a_discarded_loglet_is_never_open_again(subject).await;
}

fn cell(n: u64) -> Cell {
    Cell::new(Bytes::from(format!("payload {n}")))
}

fn present(n: u64) -> CellState {
    CellState::Present(cell(n).payload)
}

async fn open(subject: &LogletSubject, ordinal: u64) -> (LogletParams, Arc<dyn Loglet>) {
    let id = LogletId { log: LogId(7), ordinal, nonce: ordinal + 100 };
    let params = subject.provider.choose_params(id, &subject.alive).unwrap();
    subject.provider.prepare(&params).await.unwrap();
    subject.provider.prepare(&params).await.expect("preparing again is no error");
    subject.provider.serve(&params, Lsn::ZERO).await.unwrap();
    subject.provider.serve(&params, Lsn::ZERO).await.expect("serving again is no error");
    let loglet = subject.provider.open(&params).unwrap();
    (params, loglet)
}

async fn append(loglet: &dyn Loglet, cells: std::ops::Range<u64>) -> Result<Offset, AppendError> {
    let (done, outcome) = Completion::channel();
    loglet.append(cells.map(cell).collect(), done);
    outcome.await
}

/// Whether an append failed because of the seal. With several units, some may have taken the append before they were
/// sealed, or may not have answered yet. Then it is undecided.
fn met_the_seal(subject: &LogletSubject, outcome: &Result<Offset, AppendError>) -> bool {
    match outcome {
        Err(AppendError::Sealed) => true,
        Err(AppendError::Undecided { .. }) => subject.units > 1,
        _ => false,
    }
}

async fn read(loglet: &dyn Loglet, range: std::ops::Range<u64>) -> Vec<CellState> {
    let mut found = Vec::new();
    while (found.len() as u64) < range.end - range.start {
        let from = range.start + found.len() as u64;
        let cells = loglet.read(Offset(from)..Offset(range.end), usize::MAX).await.unwrap();
        assert!(!cells.is_empty(), "a read answers at least one cell");
        found.extend(cells);
    }
    found
}

async fn a_loglet_knows_its_parameters(subject: &LogletSubject) {
    let (params, loglet) = open(subject, 1).await;
    assert_eq!((params.kind, params.id.ordinal), (subject.provider.kind(), 1));
    assert_eq!(loglet.params(), &params);
}

async fn positions_are_contiguous_from_zero(subject: &LogletSubject) {
    let (_, loglet) = open(subject, 2).await;
    assert_eq!(loglet.check_tail().await, Ok(Tail::Open(Offset(0))));
    assert_eq!(append(&*loglet, 0..1).await, Ok(Offset(0)));
    assert_eq!(append(&*loglet, 1..3).await, Ok(Offset(1)));
    assert_eq!(append(&*loglet, 3..6).await, Ok(Offset(3)));
    assert_eq!(loglet.check_tail().await, Ok(Tail::Open(Offset(6))), "never below what was acknowledged");
    assert!(loglet.check_tail_now().is_none_or(|t| t == Tail::Open(Offset(6))));
    assert_eq!(read(&*loglet, 0..6).await, (0..6).map(present).collect::<Vec<_>>());
    assert_eq!(read(&*loglet, 4..5).await, [present(4)]);
}

async fn acknowledgements_come_in_the_order_of_the_calls(subject: &LogletSubject) {
    let (_, loglet) = open(subject, 3).await;
    let answers = Arc::new(Mutex::new(Vec::new()));
    for n in 0..50 {
        let answers = Arc::clone(&answers);
        loglet.append(vec![cell(n)], Completion::new(move |outcome| answers.lock().push((n, outcome))));
    }
    assert_eq!(append(&*loglet, 50..51).await, Ok(Offset(50)));
    let expected: Vec<_> = (0..50).map(|n| (n, Ok(Offset(n)))).collect();
    assert_eq!(*answers.lock(), expected);
    assert_eq!(read(&*loglet, 0..51).await, (0..51).map(present).collect::<Vec<_>>());
}

async fn reads_stop_early_but_answer_a_cell(subject: &LogletSubject) {
    let (_, loglet) = open(subject, 4).await;
    append(&*loglet, 0..8).await.unwrap();
    assert_eq!(loglet.read(Offset(2)..Offset(8), 1).await, Ok(vec![present(2)]));
    let some = loglet.read(Offset(2)..Offset(8), 25).await.unwrap();
    assert!((1..=3).contains(&some.len()), "{some:?}");
}

async fn a_sealed_loglet_takes_nothing_and_keeps_what_it_has(subject: &LogletSubject) {
    let (_, loglet) = open(subject, 5).await;
    append(&*loglet, 0..3).await.unwrap();
    assert_eq!(loglet.seal().await, Ok(Offset(3)));
    assert!(met_the_seal(subject, &append(&*loglet, 3..4).await));
    assert_eq!(loglet.check_tail().await, Ok(Tail::Sealed(Offset(3))));
    assert!(loglet.check_tail_now().is_none_or(|t| t == Tail::Sealed(Offset(3))));
    assert_eq!(loglet.seal().await, Ok(Offset(3)), "sealing again is no error");
    assert_eq!(read(&*loglet, 0..3).await, (0..3).map(present).collect::<Vec<_>>());
}

async fn rule_3_what_was_acknowledged_lies_below_the_seal(subject: &LogletSubject) {
    for round in 0..10 {
        let (_, loglet) = open(subject, 20 + round).await;
        let answers = Arc::new(Mutex::new(Vec::new()));
        let mut tail = None;
        for n in 0..20 {
            let answers = Arc::clone(&answers);
            loglet.append(vec![cell(n)], Completion::new(move |outcome| answers.lock().push((n, outcome))));
            if n == 2 * round {
                tail = Some(loglet.seal().await.unwrap());
            }
        }
        let tail = tail.expect("it was sealed on the way");
        assert!(met_the_seal(subject, &append(&*loglet, 99..100).await));
        let answers = std::mem::take(&mut *answers.lock());
        assert_eq!(answers.len(), 20, "every append is answered");
        for (n, outcome) in answers {
            match outcome {
                Ok(at) => {
                    assert!(at < tail, "append {n} is acknowledged at {at}, the seal says {tail}");
                    assert_eq!(read(&*loglet, at.0..at.0 + 1).await, [present(n)]);
                }
                refused => assert!(met_the_seal(subject, &refused), "append {n}: {refused:?}"),
            }
        }
    }
}

async fn trimming_forgets_and_moves_no_tail(subject: &LogletSubject) {
    let (_, loglet) = open(subject, 6).await;
    append(&*loglet, 0..6).await.unwrap();
    loglet.trim(Offset(4)).await.unwrap();
    loglet.trim(Offset(2)).await.unwrap();
    assert_eq!(read(&*loglet, 3..6).await, [CellState::Trimmed, present(4), present(5)]);
    assert_eq!(loglet.check_tail().await, Ok(Tail::Open(Offset(6))));
    assert_eq!(append(&*loglet, 6..7).await, Ok(Offset(6)));
    assert_eq!(loglet.seal().await, Ok(Offset(7)));
    loglet.trim(Offset(7)).await.unwrap();
    assert_eq!(loglet.check_tail().await, Ok(Tail::Sealed(Offset(7))));
}

async fn a_loglet_opened_twice_is_one(subject: &LogletSubject) {
    let (params, first) = open(subject, 7).await;
    let second = subject.provider.open(&params).unwrap();
    append(&*first, 0..2).await.unwrap();
    assert_eq!(append(&*second, 2..3).await, Ok(Offset(2)));
    assert_eq!(read(&*first, 0..3).await, read(&*second, 0..3).await);
    assert_eq!(second.seal().await, Ok(Offset(3)));
    assert!(met_the_seal(subject, &append(&*first, 3..4).await));
}

async fn a_discarded_loglet_is_never_open_again(subject: &LogletSubject) {
    let (params, loglet) = open(subject, 8).await;
    append(&*loglet, 0..2).await.unwrap();
    loglet.seal().await.unwrap();
    loglet.discard().await.unwrap();
    loglet.discard().await.expect("discarding again is no error");
    subject.provider.raise_floor(std::slice::from_ref(&params), 9).await.unwrap();
    // Preparing the loglet again may be refused or may change nothing.
    let _ = subject.provider.prepare(&params).await;
    for loglet in [Ok(loglet), subject.provider.open(&params)].into_iter().flatten() {
        assert!(append(&*loglet, 2..3).await.is_err());
        assert!(!matches!(loglet.check_tail().await, Ok(Tail::Open(_))));
        let cells = loglet.read(Offset(0)..Offset(2), usize::MAX).await;
        assert!(cells.is_err() || cells.is_ok_and(|c| c.iter().all(|c| *c == CellState::Trimmed)));
    }
}

async fn a_follower_sees_what_is_committed_in_order_and_the_seal(subject: &LogletSubject) {
    let (_, loglet) = open(subject, 9).await;
    append(&*loglet, 0..2).await.unwrap();
    let mut followed = Arc::clone(&loglet).follow(Offset(1));
    let mut seen = Vec::new();
    let mut next = Offset(1);
    for upper in [2, 5, 6] {
        if upper > 2 {
            append(&*loglet, next.0..upper).await.unwrap();
        }
        while next < Offset(upper) {
            match followed.next().await {
                Some(Ok(Followed::Cells { at, cells })) => {
                    assert_eq!(at, next, "no cell is left out or sent twice");
                    next = next.plus(cells.len() as u64);
                    seen.extend(cells);
                }
                Some(Ok(Followed::KnownTail(_))) => {}
                other => panic!("a follower below the tail got {other:?}"),
            }
        }
    }
    assert_eq!(seen, (1..6).map(present).collect::<Vec<_>>());
    loglet.seal().await.unwrap();
    loop {
        match followed.next().await {
            Some(Ok(Followed::KnownTail(_))) => {}
            Some(Ok(Followed::Sealed(tail))) => break assert_eq!(tail, Offset(6)),
            other => panic!("a follower of a sealed loglet got {other:?}"),
        }
    }
    assert!(followed.next().await.is_none(), "the seal is the last item");
}

async fn a_follower_of_a_trimmed_range_jumps(subject: &LogletSubject) {
    let (_, loglet) = open(subject, 11).await;
    append(&*loglet, 0..6).await.unwrap();
    loglet.trim(Offset(4)).await.unwrap();
    let mut followed = Arc::clone(&loglet).follow(Offset(0));
    let trimmed = Followed::Cells { at: Offset(0), cells: vec![CellState::Trimmed] };
    assert_eq!(followed.next().await, Some(Ok(trimmed)));
    let Some(Ok(Followed::Cells { at, cells })) = followed.next().await else { panic!("no cells follow") };
    assert_eq!((at, &cells[0]), (Offset(4), &present(4)));
}
