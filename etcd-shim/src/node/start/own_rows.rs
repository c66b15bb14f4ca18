//! [`check_own_rows`]: a node needs the state machine whose rows it has.

use naxos_engines::StoreReader;
use naxos_proto::ids::StoreId;

use super::start_error::StartError;
use crate::state::rows::has_program_rows;

/// Refuses a local store with rows of a program's own state machine if the node does not run one. Such a node would end at
/// the next command of that state machine.
pub(super) fn check_own_rows(reader: &StoreReader, runs_one: bool) -> Result<(), StartError> {
    if runs_one || !has_program_rows(reader, StoreId(0)) {
        return Ok(());
    }
    Err(StartError::Own(
        "the store has rows of a program's own state machine, and this node runs none: expected that program, opened with \
         `Naxos::open(..).applicator(..)`"
            .to_owned(),
    ))
}
