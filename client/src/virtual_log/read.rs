//! Reads of a range of positions. No read goes past the end that the chain gives a segment.

use naxos_proto::contracts::CellState;
use naxos_proto::ids::Lsn;

use super::{VirtualLog, unavailable};
use crate::shared_log::{LogError, Record};

/// The records in `cells`, the first of which is at `from`, and the position after the last cell. Junk gives no
/// record.
pub(super) fn records_of(from: Lsn, cells: Vec<CellState>) -> Result<(Vec<Record>, Lsn), LogError> {
    let mut records = Vec::with_capacity(cells.len());
    let mut at = from;
    for cell in cells {
        match cell {
            CellState::Present(payload) => records.push(Record { lsn: at, payload }),
            CellState::Junk => {}
            CellState::Trimmed => return Err(LogError::Trimmed(at.next())),
            CellState::Absent | CellState::Corrupt => return Err(LogError::Lost(at, format!("{cell:?}"))),
        }
        at = at.next();
    }
    Ok((records, at))
}

impl VirtualLog {
    pub(super) async fn read_some(
        &self,
        from: Lsn,
        below: Lsn,
        max_bytes: usize,
    ) -> Result<(Vec<Record>, Lsn), LogError> {
        if from >= below {
            return Ok((Vec::new(), from));
        }
        let active = self.active.load_full();
        let segment = active.segment_of(from)?;
        let loglet = self.loglet_of(&active, segment)?;
        // Safety rule 2: the chain, not the loglet, says where the segment ends.
        let below = segment.end.map_or(below, |end| end.min(below));
        let range = segment.offset(from)..segment.offset(below);
        let cells = loglet.read(range, max_bytes).await.map_err(unavailable)?;
        if cells.is_empty() {
            return Err(LogError::Lost(from, "no storage unit answers with it".to_owned()));
        }
        match records_of(from, cells) {
            // The cells say that something was trimmed, and not how much.
            Err(LogError::Trimmed(at)) => {
                let trim_point = segment.lsn(loglet.trim_point().await);
                Err(LogError::Trimmed(at.max(trim_point)))
            }
            found => found,
        }
    }
}
