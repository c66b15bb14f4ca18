//! What must hold in every world.

use super::setting::{LOGLETS, OFFSETS, Setting};
use super::world::World;

/// How many units may have lost their copies because their disk was wiped, or was replaced by an older copy of itself.
/// No rule is broken by that.
fn lost(setting: &Setting, world: &World) -> u8 {
    (setting.budget.wipes - world.left.wipes) + (setting.budget.restores - world.left.restores)
}

/// Every acknowledged append is below the end of its segment, and on a write quorum. If its segment has ended, a seal
/// quorum is enough (`docs/design.md`, section 7, rule 3). Copies that units lost with their disks still count.
pub(super) fn nothing_acknowledged_is_lost(setting: &Setting, world: &World) -> bool {
    let lost = lost(setting, world);
    (0..LOGLETS).filter(|loglet| !world.trimmed[*loglet]).all(|loglet| {
        let known = world.known(setting, loglet);
        let acknowledged = match world.end(loglet) {
            Some(end) if end < known => return false,
            Some(end) => end,
            None => known,
        };
        let quorum = setting.copies_wanted(world.end(loglet).is_some());
        (0..usize::from(acknowledged)).all(|offset| world.holders(loglet, offset) + lost >= quorum)
    })
}

/// No two units hold different cells at one offset, and no two positions of the log have the same value. If the rule
/// `ChainEndsSegments` is left out, readers may also read cells beyond the end of a segment. Then what they read at a
/// position must be what the log has there.
pub(super) fn a_position_has_one_value(setting: &Setting, world: &World) -> bool {
    let mut log = Vec::new();
    for loglet in 0..=usize::from(world.open) {
        for offset in 0..OFFSETS {
            let mut cells = world.logs(loglet).map(|log| log.cells[offset]).filter(|value| *value != 0);
            if cells.next().is_some_and(|first| cells.any(|other| other != first)) {
                return false;
            }
        }
        let below = world.end(loglet).unwrap_or_else(|| world.known(setting, loglet));
        log.extend((0..usize::from(below)).map(|offset| world.value(loglet, offset)));
    }
    let values: Vec<_> = log.iter().flatten().collect();
    if (1..values.len()).any(|n| values[..n].contains(&values[n])) {
        return false;
    }
    if setting.holds(super::rule::Rule::ChainEndsSegments) {
        return true;
    }
    // Without the rule, a reader believes that a cell that a unit holds is in the log, even if it is beyond the end.
    (0..usize::from(world.open)).all(|loglet| {
        (0..OFFSETS).all(|offset| {
            let position = usize::from(world.start(loglet)) + offset;
            let (here, there) = (world.value(loglet, offset), log.get(position).copied().flatten());
            here.is_none() || there.is_none() || here == there
        })
    })
}

/// No tail check returns a tail below an append that was acknowledged before the check began, or below a tail that an
/// earlier check returned. No segment ends below a tail that a check has returned.
pub(super) fn no_tail_is_stale(world: &World) -> bool {
    !world.was_stale && (0..LOGLETS).all(|loglet| world.end(loglet).is_none_or(|end| world.returned[loglet] <= end))
}

/// Everything below the tail of a unit is held by that unit, or is on a write quorum, or is below an installed end and
/// on a seal quorum: that is what a tail promises (`docs/protocol.md`, cluster 4).
pub(super) fn a_tail_keeps_its_promise(setting: &Setting, world: &World) -> bool {
    let lost = lost(setting, world);
    (0..LOGLETS).filter(|loglet| !world.trimmed[*loglet]).all(|loglet| {
        world.logs(loglet).filter(|log| log.is_member).all(|log| {
            (0..usize::from(log.tail)).filter(|offset| log.cells[*offset] == 0).all(|offset| {
                let is_ended = world.end(loglet).is_some_and(|end| offset < end.into());
                world.holders(loglet, offset) + lost >= setting.copies_wanted(is_ended)
            })
        })
    })
}
