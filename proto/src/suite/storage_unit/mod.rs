//! The conformance tests of [`StorageUnit`].

mod case;
mod follow;
mod repair;

use std::sync::Arc;

use futures::StreamExt;
use parking_lot::Mutex;

use crate::completion::Completion;
use crate::contracts::{CellOutcome, CellState, LocalTail, Shape, StorageUnit, Store, Stored, UnitError, UnitParams};
use crate::ids::{Boot, Incarnation, LogId, LogletId, Offset};
use crate::seams::Clock;

use case::{APPEND, Case, OWNER, id, present};
use follow::{a_follower_of_a_trimmed_range_jumps, a_follower_sees_what_is_committed_in_order};
use repair::{
    a_repair_passes_the_seal_and_leaves_no_gap, a_tail_is_told_when_it_changes, a_tail_is_waited_for,
    a_unit_tells_which_offsets_it_holds, junk_passes_the_seal_only_as_a_repair,
};

/// Runs all cases on a fresh unit.
pub async fn storage_unit(unit: &dyn StorageUnit, clock: &dyn Clock) {
    a_loglet_exists_after_open(unit, clock).await;
    rule_4_one_incarnation_for_life(unit, clock).await;
    cells_are_written_once(unit, clock).await;
    contiguous_loglets_have_no_unknown_gaps(unit, clock).await;
    sparse_loglets_take_any_order(unit, clock).await;
    junk_fills_what_is_empty(unit, clock).await;
    rule_5_a_seal_is_ordered_against_stores_in_flight(unit, clock).await;
    rule_10_sealed_means_certainly_not_stored(unit, clock).await;
    rule_5_a_dropped_loglet_stays_sealed(unit, clock).await;
    rule_5_a_floor_seals_what_lies_below_it(unit).await;
    trimming_forgets(unit, clock).await;
    answers_come_in_the_order_of_the_calls(unit, clock).await;
    reads_stop_early_but_answer_a_cell(unit, clock).await;
    a_follower_sees_what_is_committed_in_order(unit, clock).await;
    a_follower_of_a_trimmed_range_jumps(unit, clock).await;
    a_repair_passes_the_seal_and_leaves_no_gap(unit, clock).await;
    junk_passes_the_seal_only_as_a_repair(unit, clock).await;
    a_unit_tells_which_offsets_it_holds(unit, clock).await;
    a_tail_is_waited_for(unit, clock).await;
    a_tail_is_told_when_it_changes(unit, clock).await;
    bad_requests_are_refused(unit, clock).await;
}

async fn a_loglet_exists_after_open(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let missing = id(1);
    let not_open = UnitError::NotOpen(missing);
    assert_eq!(unit.tail(missing).await, Err(not_open.clone()));
    assert_eq!(unit.seal(missing).await, Err(not_open.clone()));
    assert_eq!(unit.trim(missing, Offset(1)).await, Err(not_open.clone()));
    assert_eq!(unit.read(missing, Offset(0)..Offset(1), 1).await, Err(not_open.clone()));
    let mut followed = unit.follow(missing, Offset(0));
    assert_eq!(followed.next().await, Some(Err(not_open.clone())));
    assert_eq!(followed.next().await, None);
    let case = Case { unit, clock, id: missing };
    assert_eq!(case.send(case.request(0, &["a"], 0)).await, Err(not_open));
    let case = Case::open(unit, clock, 1, Shape::Contiguous).await;
    let zero = Offset(0);
    assert_eq!(case.tail().await, LocalTail { tail: zero, known_tail: zero, sealed: false, trim_point: zero });
    let again = unit.open(case.id, UnitParams { shape: Shape::Contiguous, incarnation: OWNER }).await;
    assert_eq!(again, Ok(()), "opening again with equal parameters is no error");
    let other = unit.open(case.id, UnitParams { shape: Shape::Sparse, incarnation: OWNER }).await;
    assert!(matches!(other, Err(UnitError::Invalid(_))), "a loglet has one shape: {other:?}");
}

async fn rule_4_one_incarnation_for_life(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 2, Shape::Contiguous).await;
    let asker = Incarnation { boot: Boot(4), ..OWNER };
    let refused = UnitError::WrongIncarnation { loglet: case.id, owner: OWNER, asker };
    let store = Store { incarnation: asker, ..case.request(0, &["a"], 0) };
    assert_eq!(case.send(store).await, Err(refused.clone()));
    assert_eq!(unit.fill(case.id, asker, Offset(0), APPEND).await, Err(refused.clone()));
    let open = unit.open(case.id, UnitParams { shape: Shape::Contiguous, incarnation: asker }).await;
    assert_eq!(open, Err(refused));
    assert_eq!(case.tail().await.tail, Offset(0));
}

async fn cells_are_written_once(unit: &dyn StorageUnit, clock: &dyn Clock) {
    use CellOutcome::{Different, Same, Written};
    let case = Case::open(unit, clock, 3, Shape::Contiguous).await;
    assert_eq!(case.store(0, &["a", "b"], 0).await, [Written, Written]);
    assert_eq!(case.store(0, &["a", "x", "c"], 0).await, [Same, Different, Written]);
    assert_eq!(case.store(2, &["c"], 0).await, [Same]);
    assert_eq!(case.read(0, 4).await, [present("a"), present("b"), present("c"), CellState::Absent]);
    assert_eq!(case.tail().await.tail, Offset(3));
    // Two equal stores race. Each must get its true outcome.
    let (one, two) = futures::join!(case.store(3, &["d"], 0), case.store(3, &["d"], 0));
    assert_eq!((one, two), (vec![Written], vec![Same]));
}

async fn contiguous_loglets_have_no_unknown_gaps(unit: &dyn StorageUnit, clock: &dyn Clock) {
    use CellOutcome::{Gap, Written};
    let case = Case::open(unit, clock, 4, Shape::Contiguous).await;
    assert_eq!(case.store(1, &["b", "c"], 0).await, [Gap, Gap]);
    assert_eq!(case.store(5, &["f"], 5).await, [Written], "what is below the known tail may be skipped");
    assert_eq!(case.store(7, &["h"], 5).await, [Gap]);
    let absent = CellState::Absent;
    assert_eq!(case.read(4, 7).await, [absent.clone(), present("f"), absent]);
    assert_eq!((case.tail().await.tail, case.tail().await.known_tail), (Offset(6), Offset(5)));
    assert_eq!(case.store(4, &["e"], 5).await, [Written], "an offset that was skipped may be stored later");
    assert_eq!(case.read(4, 6).await, [present("e"), present("f")]);
    unit.advance(case.id, Offset(9));
    assert_eq!(
        case.store(9, &["j"], 0).await,
        [Written],
        "what is below the known tail of `advance` may be skipped, too"
    );
}

async fn sparse_loglets_take_any_order(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 5, Shape::Sparse).await;
    assert_eq!(case.store(8, &["i"], 0).await, [CellOutcome::Written]);
    assert_eq!(case.store(2, &["c"], 0).await, [CellOutcome::Written]);
    assert_eq!(case.store(8, &["i"], 0).await, [CellOutcome::Same]);
    assert_eq!(case.read(2, 4).await, [present("c"), CellState::Absent]);
    assert_eq!(case.read(8, 9).await, [present("i")]);
    assert_eq!(case.tail().await.tail, Offset(9));
}

async fn junk_fills_what_is_empty(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 6, Shape::Contiguous).await;
    case.store(0, &["a"], 0).await;
    assert_eq!(case.fill(1, APPEND).await, (CellOutcome::Written, false));
    assert_eq!(case.fill(1, APPEND).await, (CellOutcome::Same, false));
    assert_eq!(case.fill(0, APPEND).await, (CellOutcome::Different, false));
    assert_eq!(case.fill(9, APPEND).await, (CellOutcome::Gap, false));
    assert_eq!(case.store(1, &["b"], 0).await, [CellOutcome::Different], "junk is for ever");
    assert_eq!(case.read(0, 2).await, [present("a"), CellState::Junk]);
}

async fn rule_5_a_seal_is_ordered_against_stores_in_flight(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 7, Shape::Contiguous).await;
    let (before, in_flight) = Completion::channel();
    unit.store(case.request(0, &["a", "b"], 0), before);
    let sealing = unit.seal(case.id);
    let (after, late) = Completion::channel();
    unit.store(case.request(2, &["c"], 2), after);
    let in_flight = in_flight.await.expect("the store was taken");
    assert_eq!(in_flight.cells, [CellOutcome::Written; 2]);
    let sealed = sealing.await.expect("the unit seals");
    assert_eq!((sealed.tail, sealed.sealed), (Offset(2), true));
    assert_eq!(late.await, Ok(Stored { cells: vec![CellOutcome::Sealed], sealed: true }));
    assert_eq!(unit.seal(case.id).await.map(|t| t.tail), Ok(Offset(2)), "sealing again is no error");
    assert_eq!(case.fill(2, APPEND).await, (CellOutcome::Sealed, true));
    assert_eq!(case.read(0, 3).await, [present("a"), present("b"), CellState::Absent]);
    assert!(case.tail().await.sealed);
}

/// A store was done, but its answer was lost, and the sequencer sends it again. If the answer were `Sealed`, the
/// sequencer would append the cells to the successor too, and one entry would be in two segments.
async fn rule_10_sealed_means_certainly_not_stored(unit: &dyn StorageUnit, clock: &dyn Clock) {
    use CellOutcome::{Different, Same, Sealed};
    let case = Case::open(unit, clock, 16, Shape::Contiguous).await;
    let before = case.send(case.request(0, &["a", "b", "c"], 1)).await.expect("the store is taken");
    assert!(!before.sealed && before.acknowledges(), "{before:?}");
    let again = case.send(case.request(2, &["c"], 1)).await.expect("the store is taken");
    assert!(!again.sealed && again.acknowledges(), "held on an unsealed unit is as good as written: {again:?}");
    unit.trim(case.id, Offset(1)).await.expect("the unit trims");
    unit.seal(case.id).await.expect("the unit seals");
    for (at, texts, cells) in [
        (2, &["c"][..], &[Same][..]),
        (0, &["a", "b"], &[Same, Same]),
        (2, &["c", "d"], &[Same, Sealed]),
        (1, &["x"], &[Different]),
        (3, &["d"], &[Sealed]),
    ] {
        let stored = case.send(case.request(at, texts, 1)).await.expect("the store is answered");
        assert_eq!(stored, Stored { cells: cells.to_vec(), sealed: true }, "{texts:?} at {at}");
        assert!(!stored.acknowledges(), "a sealed unit that wrote nothing counts toward no write quorum: {stored:?}");
    }
    assert_eq!(case.tail().await.tail, Offset(3));
}

async fn rule_5_a_dropped_loglet_stays_sealed(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 8, Shape::Contiguous).await;
    case.store(0, &["a"], 1).await;
    let mut followed = unit.follow(case.id, Offset(1));
    assert_eq!(unit.drop_loglet(case.id).await, Ok(()));
    assert_eq!(unit.drop_loglet(case.id).await, Ok(()), "dropping again is no error");
    let dropped = UnitError::Dropped(case.id);
    assert_eq!(unit.tail(case.id).await, Err(dropped.clone()));
    assert_eq!(case.send(case.request(1, &["b"], 1)).await, Err(dropped.clone()));
    assert_eq!(unit.read(case.id, Offset(0)..Offset(1), 1).await, Err(dropped.clone()));
    let open = unit.open(case.id, UnitParams { shape: Shape::Contiguous, incarnation: OWNER }).await;
    assert_eq!(open, Err(dropped.clone()));
    let ends = async { while followed.next().await.is_some_and(|item| item != Err(dropped.clone())) {} };
    ends.await;
    // An id that was never opened here can be dropped too. Two nodes may race to extend the chain, and the loser may
    // still try to open its loglet afterwards.
    let never = LogletId { nonce: 1, ..case.id };
    assert_eq!(unit.drop_loglet(never).await, Ok(()));
    assert_eq!(unit.tail(never).await, Err(UnitError::Dropped(never)));
}

async fn rule_5_a_floor_seals_what_lies_below_it(unit: &dyn StorageUnit) {
    let params = UnitParams { shape: Shape::Contiguous, incarnation: OWNER };
    let id = |log, ordinal, nonce| LogletId { log: LogId(log), ordinal, nonce };
    let (old, orphan, lowest) = (id(10, 3, 1), id(10, 5, 2), id(10, 5, 1));
    for opened in [old, orphan, lowest, id(11, 3, 1)] {
        assert_eq!(unit.open(opened, params).await, Ok(()));
    }
    assert_eq!(unit.drop_loglet(id(10, 4, 9)).await, Ok(()));
    for floor in [5, 2] {
        assert_eq!(unit.raise_floor(LogId(10), floor).await, Ok(()), "a floor never falls");
        // Loglets below the floor: opened ones, dropped ones and unknown ones.
        for below in [old, id(10, 4, 9), id(10, 4, 1), id(10, 0, 0)] {
            assert_eq!(unit.tail(below).await, Err(UnitError::Dropped(below)));
            assert_eq!(unit.open(below, params).await, Err(UnitError::Dropped(below)));
        }
        for above in [orphan, lowest, id(11, 3, 1)] {
            assert_eq!(unit.tail(above).await.map(|t| t.sealed), Ok(false), "{above} is not below the floor");
        }
    }
}

async fn trimming_forgets(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 10, Shape::Contiguous).await;
    case.store(0, &["a", "b", "c", "d"], 4).await;
    assert_eq!(unit.trim(case.id, Offset(2)).await, Ok(()));
    let trimmed = CellState::Trimmed;
    assert_eq!(case.read(0, 4).await, [trimmed.clone(), trimmed, present("c"), present("d")]);
    assert_eq!(unit.trim(case.id, Offset(1)).await, Ok(()));
    assert_eq!(case.tail().await.trim_point, Offset(2), "a trim point never falls");
    assert_eq!(case.store(1, &["b"], 4).await, [CellOutcome::Same], "what was trimmed was committed");
    assert_eq!(unit.seal(case.id).await.map(|t| t.trim_point), Ok(Offset(2)));
    assert_eq!(unit.trim(case.id, Offset(4)).await, Ok(()), "a sealed loglet is trimmed, too");
    assert_eq!(case.tail().await.trim_point, Offset(4));
}

async fn answers_come_in_the_order_of_the_calls(unit: &dyn StorageUnit, clock: &dyn Clock) {
    const STORES: u64 = 50;
    let case = Case::open(unit, clock, 11, Shape::Contiguous).await;
    let answered = Arc::new(Mutex::new(Vec::new()));
    for n in 0..STORES {
        let answered = answered.clone();
        let note = move |outcome: Result<Stored, UnitError>| {
            assert_eq!(outcome, Ok(Stored { cells: vec![CellOutcome::Written], sealed: false }));
            answered.lock().push(n);
        };
        unit.store(case.request(n, &["x"], n), Completion::new(note));
    }
    let last = case.store(STORES, &["y"], STORES).await;
    assert_eq!(last, [CellOutcome::Written]);
    assert_eq!(*answered.lock(), (0..STORES).collect::<Vec<_>>());
}

async fn reads_stop_early_but_answer_a_cell(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 12, Shape::Contiguous).await;
    let long = "x".repeat(1_000);
    case.store(0, &[&long, &long, &long], 0).await;
    for (max, cells) in [(0, 1), (999, 1), (1_000, 1), (2_500, 2), (3_000, 3), (usize::MAX, 3)] {
        let read = unit.read(case.id, Offset(0)..Offset(3), max).await.expect("the unit reads");
        assert_eq!(read, vec![present(&long); cells], "at most {max} bytes");
    }
    assert_eq!(case.read(2, 2).await, []);
}

async fn bad_requests_are_refused(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 15, Shape::Contiguous).await;
    let refused = case.send(case.request(0, &[], 0)).await;
    assert!(matches!(refused, Err(UnitError::Invalid(_))), "a store without cells: {refused:?}");
    let refused = case.send(case.request(u64::MAX, &["a", "b"], 0)).await;
    assert!(matches!(refused, Err(UnitError::Invalid(_))), "a store past the last offset: {refused:?}");
    let refused = unit.fill(case.id, OWNER, Offset(u64::MAX), APPEND).await;
    assert!(matches!(refused, Err(UnitError::Invalid(_))), "a fill at the last offset: {refused:?}");
}
