//! A segment that has ended gets another storage unit in the place of one that is lost for good. The chain names the
//! new unit only when this unit holds all cells of the segment, whatever else happens to the log meanwhile.

#[path = "support/hooked_meta.rs"]
mod hooked_meta;
#[path = "support/networks.rs"]
mod networks;
#[path = "support/spare_units.rs"]
mod spare_units;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use naxos_client::{LogError, SharedLog, UnitsChanged, VirtualLog};
use naxos_proto::chain::LogletKind;
use naxos_proto::contracts::{Purpose, StorageUnit};
use naxos_proto::ids::{Lsn, Offset};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{SimClock, Weather};
use naxos_proto::unit_change::UnitChange;
use spare_units::{CALM, CELLS, LOST, World, append, payload};
use support::simulate;

/// Checks that the log has what was appended to the ended segment, from `from` on.
async fn check_reads(log: &VirtualLog, from: u64) -> Result<(), LogError> {
    let mut at = Lsn(from);
    while at < Lsn(CELLS) {
        let (records, next) = log.read(at, Lsn(CELLS), usize::MAX).await?;
        for record in records {
            assert_eq!(record.payload, payload(record.lsn.0));
        }
        at = next;
    }
    Ok(())
}

fn for_each_kind(test: impl AsyncFn(LogletKind)) {
    for kind in [LogletKind::NATIVE, LogletKind::CORFU] {
        simulate(test(kind));
    }
}

#[test]
fn a_lost_unit_is_replaced_by_one_that_holds_everything() {
    for_each_kind(async |kind| {
        let world = World::new(kind, 1).await;
        check_reads(&world.other, 0).await.unwrap();
        world.set_weather(2, LOST);
        assert_eq!(world.change(&world.replace(0)).await.unwrap(), UnitsChanged::Changed(CELLS));
        assert_eq!(world.change(&world.replace(0)).await.unwrap(), UnitsChanged::NotNeeded);
        // The other process does not know the new chain yet. It reads from the earlier units.
        check_reads(&world.other, 0).await.unwrap();
        assert_eq!(world.named().await, [0, 1, 3]);
        world.check_holds(3, 0..CELLS).await;
        if kind == LogletKind::NATIVE {
            // An append to a Corfu loglet would wait for the lost unit.
            assert_eq!(append(&world.log, CELLS).await, Lsn(CELLS), "the log was not interrupted");
        }
        // Now the new unit has the only copy. Both processes have had the loglet open on the earlier units.
        world.set_weather(0, LOST);
        world.set_weather(1, LOST);
        check_reads(&world.log, 0).await.unwrap();
        check_reads(&world.other, 0).await.unwrap();
        world.stop().await;
    });
}

#[test]
fn what_lies_beyond_the_end_is_not_copied() {
    simulate(async {
        let world = World::new(LogletKind::NATIVE, 1).await;
        for unit in 0..3 {
            world.store(unit, world.ended, CELLS, 1, Purpose::Repair).await;
        }
        assert_eq!(world.change(&world.replace(0)).await.unwrap(), UnitsChanged::Changed(CELLS));
        world.check_holds(3, 0..CELLS).await;
        world.stop().await;
    });
}

#[test]
fn an_open_segment_keeps_its_units() {
    simulate(async {
        let world = World::new(LogletKind::NATIVE, 1).await;
        let open = world.log.chain();
        let changed = world.log.change_units(open.1.active().params.id, &world.replace(0), &|| true).await;
        assert_eq!(changed.unwrap(), UnitsChanged::NotNeeded);
        assert_eq!(world.log.chain(), open);
        world.stop().await;
    });
}

#[test]
fn a_change_that_is_stopped_goes_on_later() {
    simulate(async {
        let world = World::new(LogletKind::NATIVE, 1).await;
        let stopped = world.log.change_units(world.ended, &world.replace(0), &|| false).await.unwrap();
        assert_eq!(stopped, UnitsChanged::Unfinished);
        assert_eq!(world.named().await, [0, 1, 2]);
        let UnitsChanged::Changed(copied) = world.change(&world.replace(0)).await.unwrap() else { panic!("no change") };
        assert!(copied > 0 && copied < CELLS, "{copied}");
        world.check_holds(3, 0..CELLS).await;
        world.stop().await;
    });
}

#[test]
fn a_source_that_dies_during_the_copy_is_not_needed() {
    for_each_kind(async |kind| {
        let world = World::new(kind, 1).await;
        world.set_weather(2, LOST);
        let steps = AtomicU64::new(0);
        let first_dies = || {
            steps.fetch_add(1, Ordering::Relaxed);
            world.set_weather(0, LOST);
            true
        };
        let changed = world.log.change_units(world.ended, &world.replace(0), &first_dies).await;
        assert_eq!(changed.unwrap(), UnitsChanged::Changed(CELLS));
        assert!(steps.into_inner() > 1, "the source died only at the last step");
        world.check_holds(3, 0..CELLS).await;
        world.stop().await;
    });
}

#[test]
fn without_a_source_nothing_changes_until_one_is_back() {
    simulate(async {
        let world = World::new(LogletKind::NATIVE, 1).await;
        let before = world.named().await;
        let all_die = || {
            (0..3).for_each(|unit| world.set_weather(unit, LOST));
            true
        };
        assert!(world.log.change_units(world.ended, &world.replace(0), &all_die).await.is_err());
        assert_eq!(world.named().await, before);
        world.set_weather(1, CALM);
        assert!(matches!(world.change(&world.replace(0)).await, Ok(UnitsChanged::Changed(_))));
        world.check_holds(3, 0..CELLS).await;
        world.stop().await;
    });
}

#[test]
fn a_change_that_loses_a_race_is_made_on_the_chain_of_the_winner() {
    for_each_kind(async |kind| {
        let world = World::new(kind, 1).await;
        let other = Arc::clone(&world.other);
        world.meta.before_put(async move { drop(other.reconfigure(None).await.unwrap()) }.boxed());
        assert_eq!(world.change(&world.replace(0)).await.unwrap(), UnitsChanged::Changed(CELLS));
        assert_eq!(world.named().await, [0, 1, 3]);
        let (_, chain) = world.other.chain();
        assert_eq!(chain.segments.len(), 3, "what the other process did is there, too");
        assert_eq!(world.log.chain(), world.other.chain());
        assert_eq!(append(&world.log, CELLS).await, Lsn(CELLS));
        world.stop().await;
    });
}

#[test]
fn races_that_are_lost_again_and_again_are_given_up() {
    simulate(async {
        let world = World::new(LogletKind::NATIVE, 1).await;
        for _ in 0..3 {
            let other = Arc::clone(&world.other);
            world.meta.before_put(async move { drop(other.reconfigure(None).await.unwrap()) }.boxed());
        }
        assert_eq!(world.change(&world.replace(0)).await.unwrap(), UnitsChanged::Unfinished);
        assert_eq!(world.named().await, [0, 1, 2]);
        assert_eq!(world.change(&world.replace(0)).await.unwrap(), UnitsChanged::Changed(0), "the copies are there");
        world.stop().await;
    });
}

#[test]
fn of_two_processes_one_makes_its_change() {
    for first in [true, false] {
        simulate(async {
            let world = World::new(LogletKind::NATIVE, 2).await;
            let (one, two) = (world.replace(0), world.replace(1));
            let (one, two) = if first { (one, two) } else { (two, one) };
            let outcomes = futures::join!(
                world.log.change_units(world.ended, &one, &|| true),
                world.other.change_units(world.ended, &two, &|| true),
            );
            let (one, two) = (outcomes.0.unwrap(), outcomes.1.unwrap());
            let count = |wanted: fn(&UnitsChanged) -> bool| [one, two].iter().filter(|found| wanted(found)).count();
            assert_eq!(count(|found| matches!(found, UnitsChanged::Changed(_))), 1, "{one:?} {two:?}");
            assert_eq!(count(|found| *found == UnitsChanged::NotNeeded), 1, "{one:?} {two:?}");
            let named = world.named().await;
            assert_eq!((named.len(), &named[..2]), (3, &[0, 1][..]));
            world.check_holds(named[2], 0..CELLS).await;
            world.stop().await;
        });
    }
}

#[test]
fn a_trim_during_the_copy_is_respected() {
    // Answers take 1 ms, so the trims come at all moments of the copy.
    let mut trimmed_in_time = 0;
    for millis in (0..100).step_by(3) {
        simulate(async {
            let world = World::new(LogletKind::NATIVE, 1).await;
            let clock = SimClock::new(Duration::ZERO);
            let far = Weather { delay_min: Duration::from_millis(1), delay_max: Duration::from_millis(1), ..CALM };
            (0..4).for_each(|unit| world.set_weather(unit, far));
            let trims = async {
                clock.sleep(Duration::from_millis(millis)).await;
                world.other.trim(Lsn(90)).await.unwrap();
            };
            let (change, go_on) = (world.replace(0), || true);
            let (changed, ()) = futures::join!(world.log.change_units(world.ended, &change, &go_on), trims);
            let UnitsChanged::Changed(copied) = changed.unwrap() else { panic!("no change") };
            assert_eq!(world.named().await, [0, 1, 3]);
            trimmed_in_time += u64::from(copied < CELLS);
            // The regular replication trims a unit that a trim did not reach.
            assert_eq!(world.log.replicate().await, Ok(0));
            world.check_holds(3, 90..CELLS).await;
            check_reads(&world.log, 90).await.unwrap();
            world.stop().await;
        });
    }
    assert!(trimmed_in_time > 10, "{trimmed_in_time}");
}

#[test]
fn a_segment_that_leaves_the_chain_during_the_copy_is_left_alone() {
    simulate(async {
        let world = World::new(LogletKind::NATIVE, 1).await;
        let other = Arc::clone(&world.other);
        world.meta.before_put(async move { other.trim(Lsn(CELLS)).await.unwrap() }.boxed());
        assert_eq!(world.change(&world.replace(0)).await.unwrap(), UnitsChanged::NotNeeded);
        assert_eq!(world.segment().await, None);
        assert_eq!(world.log.chain(), world.other.chain());
        world.stop().await;
    });
}

#[test]
fn a_unit_is_only_left_out_when_those_that_stay_have_everything() {
    for_each_kind(async |kind| {
        let world = World::new(kind, 1).await;
        // The spare unit is named in the place of the second unit, which still has all cells.
        let spare = UnitChange::Replace { from: world.units[1], to: world.units[3] };
        assert_eq!(world.change(&spare).await.unwrap(), UnitsChanged::Changed(CELLS));
        let out = |units_min| UnitChange::LeaveOut { units: vec![world.units[2]], units_min };
        assert_eq!(world.change(&out(3)).await.unwrap(), UnitsChanged::NotNeeded, "too few would stay");
        world.set_weather(2, LOST);
        world.set_weather(0, LOST);
        assert!(world.change(&out(2)).await.is_err(), "nobody knows what the first unit has");
        assert_eq!(world.named().await, [0, 2, 3]);
        world.set_weather(0, CALM);
        assert_eq!(world.change(&out(2)).await.unwrap(), UnitsChanged::Changed(0));
        assert_eq!(world.named().await, [0, 3]);
        check_reads(&world.log, 0).await.unwrap();
        world.stop().await;
    });
}

#[test]
fn a_unit_that_lacks_cells_does_not_count_as_a_copy() {
    simulate(async {
        let world = World::new(LogletKind::NATIVE, 0).await;
        let id = world.log.chain().1.active().params.id;
        // The third unit has the first cell only, and hears nothing of the seal.
        for (unit, cells) in [(0, 3), (1, 3), (2, 1)] {
            let purpose = Purpose::Append { known_tail: Offset(0) };
            world.store(unit, id, 0, cells, purpose).await;
        }
        world.set_weather(2, LOST);
        world.log.reconfigure(None).await.unwrap();
        world.set_weather(2, CALM);
        let out = UnitChange::LeaveOut { units: vec![world.units[0]], units_min: 2 };
        let refused = world.log.change_units(id, &out, &|| true).await.unwrap_err().to_string();
        assert!(refused.contains("lacks 2 cells") && refused.contains(&world.units[2].to_string()), "{refused}");
        assert_eq!(world.log.replicate().await, Ok(2));
        assert_eq!(world.log.change_units(id, &out, &|| true).await.unwrap(), UnitsChanged::Changed(0));
        world.stop().await;
    });
}

#[test]
fn a_unit_gets_an_ended_segment_that_was_never_opened_on_it() {
    simulate(async {
        let world = World::new(LogletKind::NATIVE, 0).await;
        world.set_weather(2, LOST);
        // The third unit hears nothing of a loglet from its beginning to its end.
        world.log.reconfigure(None).await.unwrap();
        let id = world.log.chain().1.active().params.id;
        assert_eq!(append(&world.log, CELLS).await, Lsn(CELLS));
        world.log.reconfigure(None).await.unwrap();
        world.set_weather(2, CALM);
        assert!(world.networks[2].tail(id).await.is_err());
        assert_eq!(world.log.replicate().await, Ok(1));
        assert!(world.networks[2].tail(id).await.unwrap().sealed);
        assert_eq!(world.networks[2].held(id, Offset(0)..Offset(9)).await.unwrap(), [Offset(0)..Offset(1)]);
        world.stop().await;
    });
}
