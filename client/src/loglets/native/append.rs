//! Appends: they go to the loglet's one sequencer, which stores them on the units.

use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, Refusal};
use naxos_proto::ids::Offset;

use super::NativeLoglet;

impl NativeLoglet {
    pub(super) fn append_batch(&self, batch: Vec<Cell>, done: Completion<Result<Offset, AppendError>>) {
        match &self.sequencer {
            Some(sequencer) => sequencer.append(self.params.id, self.native.sequencer, batch, done),
            None => done.complete(Err(Refusal::NoSequencer(self.native.sequencer).into())),
        }
    }
}
