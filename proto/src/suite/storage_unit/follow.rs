//! Tests of the items that a follower of a loglet gets.

use futures::StreamExt;

use super::case::{Case, SILENCE, present};
use crate::contracts::{CellOutcome, CellState, Followed, Shape, StorageUnit, UnitError};
use crate::ids::Offset;
use crate::seams::Clock;

/// Waits for the next item, which must come.
async fn next(stream: &mut futures::stream::BoxStream<'static, Result<Followed, UnitError>>) -> Followed {
    stream.next().await.expect("the stream goes on").expect("without an error")
}

pub(super) async fn a_follower_sees_what_is_committed_in_order(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 13, Shape::Contiguous).await;
    case.store(0, &["a", "b"], 1).await;
    let mut followed = unit.follow(case.id, Offset(0));
    assert_eq!(next(&mut followed).await, Followed::Cells { at: Offset(0), cells: vec![present("a")] });
    let silent = tokio_silence(case.clock, &mut followed).await;
    assert_eq!(silent, None, "a cell that is not known to be committed is not sent");
    unit.advance(case.id, Offset(2));
    assert_eq!(next(&mut followed).await, Followed::Cells { at: Offset(1), cells: vec![present("b")] });
    unit.advance(case.id, Offset(4));
    assert_eq!(
        next(&mut followed).await,
        Followed::KnownTail(Offset(4)),
        "a known tail comes alone if no cell carries it"
    );
    assert_eq!(case.store(4, &["e"], 5).await, [CellOutcome::Written]);
    let absent = CellState::Absent;
    let (mut at, mut cells) = (Offset(2), Vec::new());
    while cells.len() < 3 {
        match next(&mut followed).await {
            Followed::Cells { at: from, cells: some } => {
                assert_eq!(from, at);
                at = at.plus(some.len() as u64);
                cells.extend(some);
            }
            Followed::KnownTail(tail) => assert!(tail <= Offset(5)),
            sealed @ Followed::Sealed(_) => panic!("{sealed:?}"),
        }
    }
    assert_eq!(cells, [absent.clone(), absent, present("e")]);
    unit.seal(case.id).await.expect("the unit seals");
    assert_eq!(next(&mut followed).await, Followed::Sealed(Offset(5)));
    assert_eq!(followed.next().await, None);
}

/// The next item, or `None` if the stream is silent for a while.
async fn tokio_silence(
    clock: &dyn Clock,
    stream: &mut futures::stream::BoxStream<'static, Result<Followed, UnitError>>,
) -> Option<Option<Result<Followed, UnitError>>> {
    tokio::select! {
        biased;
        item = stream.next() => Some(item),
        () = clock.sleep(SILENCE) => None,
    }
}

pub(super) async fn a_follower_of_a_trimmed_range_jumps(unit: &dyn StorageUnit, clock: &dyn Clock) {
    let case = Case::open(unit, clock, 14, Shape::Contiguous).await;
    case.store(0, &["a", "b", "c"], 3).await;
    unit.trim(case.id, Offset(2)).await.expect("the unit trims");
    let mut followed = unit.follow(case.id, Offset(0));
    assert_eq!(next(&mut followed).await, Followed::Cells { at: Offset(0), cells: vec![CellState::Trimmed] });
    assert_eq!(next(&mut followed).await, Followed::Cells { at: Offset(2), cells: vec![present("c")] });
}
