//! How many cells each storage unit lacks: for a person who looks at the log, and for the check before units are left
//! out.

use std::time::Duration;

use futures::future::join_all;
use naxos_proto::contracts::UnitError;
use naxos_proto::ids::{Offset, StorageId};

use super::Copies;

/// A unit that has not answered within this time counts as one that does not answer.
const ANSWER_MAX: Duration = Duration::from_millis(500);

impl Copies {
    /// Counts the cells below `below` that each unit lacks. The count is `None` for a unit that does not answer in time
    /// or that answers with an error. A cell that a unit has trimmed does not count.
    pub(in crate::loglets) async fn lacking(&self, below: Offset) -> Vec<(StorageId, Option<u64>)> {
        join_all((0..self.units.len()).map(|unit| async move {
            let lacks = tokio::select! {
                biased;
                lacks = self.lacked_by(unit, below) => lacks.ok(),
                () = self.clock.sleep(ANSWER_MAX) => None,
            };
            (self.units[unit].storage_id(), lacks)
        }))
        .await
    }

    async fn lacked_by(&self, unit: usize, below: Offset) -> Result<u64, UnitError> {
        let tail = self.units[unit].tail(self.loglet).await?;
        let (mut from, mut lacks) = (tail.trim_point.min(below), 0);
        while from < below {
            let (gaps, told) = self.next_gaps(unit, from..below).await?;
            lacks += gaps.iter().map(|gap| gap.end.0 - gap.start.0).sum::<u64>();
            from = told;
        }
        Ok(lacks)
    }
}
