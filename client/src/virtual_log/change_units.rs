//! Other storage units for a segment that has ended, because one of its units is lost for good.
//!
//! 1. The chain is read through a quorum. If the segment is open, or is gone, or does not name the old unit any more,
//!    nothing is left to do.
//! 2. The new unit gets the cells that it lacks, in steps. Before each step the chain is read again.
//! 3. A step finds that the new unit lacks nothing. Then the edit of the chain that was read just before that step is
//!    installed by compare-and-swap. So what the step found holds for the chain that the edit replaces.
//! 4. If another process has changed the chain since, what the step found does not count, and all of this begins again.
//!    The copies stay, so the second time is quick.
//!
//! If the change leaves out units and names no new one, nothing is copied. The one step then finds that each unit that
//! stays holds every cell, or it fails.
//!
//! The old unit is not told to drop its cells. A process that still knows the old chain may read from that unit. If the
//! unit's data directory has lost its seat, nobody uses the unit. Otherwise the unit drops the cells when the floor of
//! its ordinals rises.

use std::time::Duration;

use naxos_proto::chain::{Chain, LogletParams, Segment};
use naxos_proto::ids::{LogletId, Offset};
use naxos_proto::unit_change::UnitChange;

use super::VirtualLog;
use crate::loglet::{LogletError, Prepared};
use crate::reconfigure::{Installed, ReconfigureError};

/// After this many lost races this process leaves the change to a later call.
const RACES_MAX: u32 = 3;
/// The time between two lines in the log that tell the progress of a long copy.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What became of a change of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitsChanged {
    /// The chain has the change now. The field is the number of cells that were copied for it.
    Changed(u64),
    /// There was nothing to do: the segment is open or gone, or the change does not fit its units.
    NotNeeded,
    /// The caller wanted to stop, or other processes changed the chain again and again. The copies that were made stay,
    /// and a later call goes on from there.
    Unfinished,
}

/// The segment of `loglet` and its parameters after `change`. `None` if the change is not allowed or not needed.
fn edit(
    chain: &Chain,
    loglet: LogletId,
    change: &UnitChange,
) -> Result<Option<(Segment, Offset, LogletParams)>, LogletError> {
    let Some(segment) = chain.segments.iter().find(|s| s.params.id == loglet) else { return Ok(None) };
    // The units of an open segment never change. Only a new loglet has other units.
    let Some(end) = segment.end else { return Ok(None) };
    let after = change.of(&segment.params).map_err(|e| LogletError::Params(loglet, e))?;
    Ok(after.map(|after| (segment.clone(), segment.offset(end), after)))
}

impl VirtualLog {
    /// Makes `change` for the ended segment of `loglet`, see the module. `may_go_on` is asked after each step.
    /// # Cancel safety
    /// If dropped, copies may have been made, and the chain may have the change without this process knowing it yet.
    pub async fn change_units(
        &self,
        loglet: LogletId,
        change: &UnitChange,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<UnitsChanged, ReconfigureError> {
        let (mut copied, mut races, mut told) = (0, 0, self.clock.now());
        loop {
            let found = self.register.get().await?;
            self.refuse_older(&found)?;
            let Some((segment, below, after)) = edit(&found.chain, loglet, change)? else {
                return Ok(UnitsChanged::NotNeeded);
            };
            let provider = self.providers.of(segment.params.kind)?;
            if let Prepared::Copied(cells) = provider.prepare_change(&segment.params, change, below).await? {
                copied += cells;
                if self.clock.now().since(told) >= TELL_EVERY {
                    told = self.clock.now();
                    tracing::info!(%loglet, %change, copied, of = below.0, "copying an ended segment to another storage unit");
                }
                if may_go_on() {
                    continue;
                }
                return Ok(UnitsChanged::Unfinished);
            }
            let edited = found.chain.with_params(after).expect("the segment was just found");
            let _one = self.reconfiguring.lock().await;
            match self.register.install(found.version, edited).await? {
                Installed::Ours(now) => {
                    self.go_over_to(now).await?;
                    tracing::info!(%loglet, %change, copied, "an ended segment has other storage units now");
                    return Ok(UnitsChanged::Changed(copied));
                }
                Installed::Theirs(now) => {
                    tracing::debug!(%loglet, %change, "another node has changed the chain first");
                    self.go_over_to(now).await?;
                }
            }
            races += 1;
            if races == RACES_MAX || !may_go_on() {
                return Ok(UnitsChanged::Unfinished);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Boot, Incarnation, LogId, Lsn, StorageId};
    use naxos_proto::native_params::NativeParams;

    use super::*;

    fn id(ordinal: u64) -> LogletId {
        LogletId { log: LogId(7), ordinal, nonce: 1 }
    }

    fn params(ordinal: u64, units: [u64; 3]) -> LogletParams {
        let sequencer = Incarnation { storage: StorageId(1), boot: Boot(1) };
        NativeParams { sequencer, units: units.map(StorageId).into(), write_quorum: 2 }.encode(id(ordinal))
    }

    #[test]
    fn only_a_segment_that_has_ended_gets_other_units() {
        let first = Segment { start: Lsn(5), end: None, params: params(1, [1, 2, 3]) };
        let chain = Chain { log: LogId(7), segments: vec![first] }.extended(Lsn(9), params(2, [1, 2, 3]));
        let change = UnitChange::Replace { from: StorageId(3), to: StorageId(4) };
        let (segment, below, after) = edit(&chain, id(1), &change).unwrap().expect("it has ended");
        assert_eq!((segment.start, below, &after), (Lsn(5), Offset(4), &params(1, [1, 2, 4])));
        assert_eq!(edit(&chain, id(2), &change), Ok(None), "it is open");
        assert_eq!(edit(&chain, id(9), &change), Ok(None), "it is gone");
        let changed = chain.with_params(after).unwrap();
        assert_eq!(edit(&changed, id(1), &change), Ok(None), "another process has made the change");
    }
}
