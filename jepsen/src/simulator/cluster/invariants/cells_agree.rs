//! [`CellsAgree`]: an offset of a loglet holds the same on all units, because it was given out once, to one entry
//! (`docs/protocol.md`, cluster 2).

use std::collections::BTreeMap;

use naxos::node::probe::FreshCell;
use naxos_proto::contracts::CellState;
use naxos_proto::ids::{LogletId, Offset};

use crate::simulator::trace::fnv;

/// For each offset of each loglet, the hash of what was seen there first, on any unit; `None` for junk. An offset at or
/// above the end of its segment counts, too: a sequencer sends the same bytes to all units, and what a repair copies
/// stays as it is.
#[derive(Debug, Default)]
pub struct CellsAgree(BTreeMap<(LogletId, Offset), Option<u64>>);

impl CellsAgree {
    /// Compares the cells that units have got with everything that was seen before.
    ///
    /// # Errors
    /// If two units hold different things at one offset.
    pub fn look(&mut self, fresh: &[FreshCell]) -> Result<(), String> {
        for FreshCell { loglet, at, state } in fresh {
            let held = match state {
                CellState::Present(bytes) => Some(fnv(bytes)),
                CellState::Junk => None,
                CellState::Trimmed | CellState::Absent | CellState::Corrupt => continue,
            };
            let known = *self.0.entry((*loglet, *at)).or_insert(held);
            if known != held {
                return Err(format!("offset {} of {loglet:?} holds {held:?}, another unit has {known:?}", at.0));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn two_values_at_one_offset_are_found() {
        let mut rule = CellsAgree::default();
        let cell = |at, text: &'static str| {
            let state = CellState::Present(Bytes::from_static(text.as_bytes()));
            FreshCell { loglet: LogletId::default(), at: Offset(at), state }
        };
        assert_eq!(rule.look(&[cell(1, "a"), cell(2, "b"), cell(1, "a")]), Ok(()));
        assert!(rule.look(&[cell(2, "c")]).is_err());
        assert!(rule.look(&[FreshCell { state: CellState::Junk, ..cell(1, "a") }]).is_err());
    }
}
