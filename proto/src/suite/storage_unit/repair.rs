//! Tests of repairs, of the offsets that a unit holds, of waits for a tail, and of the tails that a unit tells.

use futures::{FutureExt, StreamExt};

use super::case::{APPEND, Case, OWNER, SILENCE, id, present};
use crate::contracts::{CellOutcome, CellState, Purpose, Shape, StorageUnit, Store, TailReaches, UnitError};
use crate::ids::{Boot, Incarnation, Offset};
use crate::seams::Clock;

pub(super) async fn a_repair_passes_the_seal_and_leaves_no_gap(unit: &dyn StorageUnit, clock: &dyn Clock) {
    use CellOutcome::{Different, Gap, Same, Written};
    let case = Case::open(unit, clock, 17, Shape::Contiguous).await;
    case.store(0, &["a"], 1).await;
    unit.seal(case.id).await.expect("the unit seals");
    let repair = async |at, texts: &[&str]| {
        let stored = case.send(Store { purpose: Purpose::Repair, ..case.request(at, texts, 0) }).await;
        let stored = stored.expect("the unit takes the repair");
        assert!(stored.sealed, "the answer tells that the loglet is sealed");
        stored.cells
    };
    assert_eq!(repair(2, &["c"]).await, [Gap]);
    assert_eq!(repair(0, &["a", "b", "c"]).await, [Same, Written, Written]);
    assert_eq!(repair(1, &["x"]).await, [Different], "a cell is written once");
    let tail = case.tail().await;
    assert_eq!(
        (tail.tail, tail.known_tail, tail.sealed),
        (Offset(3), Offset(1), true),
        "a repair raises no known tail"
    );
    assert_eq!(unit.seal(case.id).await.map(|t| t.tail), Ok(Offset(3)), "the seal's tail is the repaired one");
    assert_eq!(case.read(0, 3).await, [present("a"), present("b"), present("c")]);
    let asker = Incarnation { boot: Boot(4), ..OWNER };
    let other = Store { incarnation: asker, purpose: Purpose::Repair, ..case.request(3, &["d"], 0) };
    assert!(matches!(case.send(other).await, Err(UnitError::WrongIncarnation { .. })));
}

pub(super) async fn junk_passes_the_seal_only_as_a_repair(unit: &dyn StorageUnit, clock: &dyn Clock) {
    use CellOutcome::{Different, Gap, Same, Sealed, Written};
    let contiguous = Case::open(unit, clock, 25, Shape::Contiguous).await;
    let sparse = Case::open(unit, clock, 26, Shape::Sparse).await;
    for (case, past_a_gap) in [(&contiguous, Gap), (&sparse, Written)] {
        case.store(0, &["a"], 1).await;
        assert_eq!(case.fill(1, APPEND).await, (Written, false));
        unit.seal(case.id).await.expect("the unit seals");
        assert_eq!(case.fill(1, APPEND).await, (Same, true), "it is held, but this counts toward no write quorum");
        assert_eq!(case.fill(2, APPEND).await, (Sealed, true));
        assert_eq!(case.fill(3, Purpose::Repair).await, (past_a_gap, true));
        assert_eq!(case.fill(0, Purpose::Repair).await, (Different, true), "junk replaces nothing");
        assert_eq!(case.fill(2, Purpose::Repair).await, (Written, true));
        assert_eq!(case.read(0, 3).await, [present("a"), CellState::Junk, CellState::Junk]);
    }
}

pub(super) async fn a_unit_tells_which_offsets_it_holds(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 18, Shape::Sparse).await;
    let held = async |from, to| {
        let ranges = unit.held(case.id, Offset(from)..Offset(to)).await.expect("the unit knows");
        ranges.into_iter().map(|r| r.start.0..r.end.0).collect::<Vec<_>>()
    };
    assert_eq!(held(0, 100).await, []);
    case.store(1, &["b", "c"], 0).await;
    case.store(5, &["f"], 0).await;
    assert_eq!(case.fill(6, APPEND).await, (CellOutcome::Written, false));
    assert_eq!(held(0, 100).await, [1..3, 5..7], "junk is held, too");
    assert_eq!(held(2, 6).await, [2..3, 5..6]);
    assert_eq!(held(3, 5).await, []);
    unit.trim(case.id, Offset(2)).await.expect("the unit trims");
    assert_eq!(held(0, 100).await, [2..3, 5..7], "what is trimmed is not held");
    assert_eq!(unit.held(id(999), Offset(0)..Offset(9)).await, Err(UnitError::NotOpen(id(999))));
}

pub(super) async fn a_tail_is_waited_for(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 19, Shape::Contiguous).await;
    case.store(0, &["a", "b"], 1).await;
    let now = unit.wait_tail(case.id, TailReaches::Local(Offset(2))).await;
    assert_eq!(now, Ok(case.tail().await), "it is there already");
    let local = unit.wait_tail(case.id, TailReaches::Local(Offset(3)));
    let known = unit.wait_tail(case.id, TailReaches::Known(Offset(3)));
    let work = async {
        clock.sleep(SILENCE).await;
        assert_eq!(case.store(2, &["c"], 2).await, [CellOutcome::Written]);
        clock.sleep(SILENCE).await;
        unit.advance(case.id, Offset(3));
    };
    let (local, known, ()) = futures::join!(local, known, work);
    let (local, known) = (local.expect("it is reached"), known.expect("it is reached"));
    assert_eq!((local.tail, local.known_tail), (Offset(3), Offset(2)));
    assert_eq!((known.tail, known.known_tail), (Offset(3), Offset(3)));
    let never = unit.wait_tail(case.id, TailReaches::Local(Offset(9)));
    let (sealed, seal) = futures::join!(never, unit.seal(case.id));
    assert!(sealed.is_ok_and(|t| t.sealed && t.tail == Offset(3)), "the seal ends the wait");
    assert!(seal.is_ok());
    let known = unit.wait_tail(case.id, TailReaches::Known(Offset(9)));
    assert!(known.await.is_ok_and(|t| t.sealed));
    assert_eq!(unit.wait_tail(id(999), TailReaches::Local(Offset(0))).await, Err(UnitError::NotOpen(id(999))));
}

pub(super) async fn a_tail_is_told_when_it_changes(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 23, Shape::Contiguous).await;
    case.store(0, &["a", "b"], 1).await;
    let mut tails = unit.tell_tails(case.id);
    let mut next = async || tails.next().await.expect("the stream goes on").expect("the unit answers");
    assert_eq!(next().await, case.tail().await, "the first one comes at once");
    clock.sleep(SILENCE).await;
    unit.advance(case.id, Offset(2));
    clock.sleep(SILENCE).await;
    case.store(2, &["c"], 2).await;
    assert_eq!(next().await.tail, Offset(3), "a known tail alone is no news");
    case.store(3, &["d"], 2).await;
    case.store(4, &["e"], 2).await;
    while next().await.tail < Offset(5) {}
    clock.sleep(SILENCE).await;
    assert_eq!(unit.seal(case.id).await.map(|t| t.tail), Ok(Offset(5)));
    assert_eq!(next().await, case.tail().await, "the seal is told although the tail is the same");
    assert_eq!(tails.next().await, None, "nothing follows the seal");
    let again: Vec<_> = unit.tell_tails(case.id).collect().await;
    assert_eq!(again, [Ok(case.tail().await)]);
    let mut unknown = unit.tell_tails(id(999));
    assert_eq!(unknown.next().await, Some(Err(UnitError::NotOpen(id(999)))));

    let open = Case::open(unit, clock, 24, Shape::Contiguous).await;
    let mut tails = unit.tell_tails(open.id);
    assert_eq!(tails.next().await, Some(Ok(open.tail().await)));
    clock.sleep(SILENCE).await;
    assert_eq!(tails.next().now_or_never(), None, "there is no news");
    unit.drop_loglet(open.id).await.expect("the unit drops it");
    assert_eq!(tails.next().await, Some(Err(UnitError::Dropped(open.id))));
}
