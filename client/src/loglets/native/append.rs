//! Appends: they go to the loglet's one sequencer, which stores them on the units.

use std::sync::Arc;

use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, Refusal, Sequencer};
use naxos_proto::ids::{Incarnation, Offset};

use super::NativeLoglet;

impl NativeLoglet {
    pub(super) fn append_batch(&self, batch: Vec<Cell>, done: Completion<Result<Offset, AppendError>>) {
        let owner = self.native.sequencer;
        match self.sequencer(owner) {
            Some(sequencer) => match &self.direct {
                None => sequencer.append(self.params.id, owner, batch, None, done),
                Some(direct) => {
                    let (granted, answered) = direct.append(batch.len() as u64, done);
                    sequencer.append(self.params.id, owner, batch, Some(granted), answered);
                }
            },
            None => done.complete(Err(Refusal::NoSequencer(owner).into())),
        }
    }

    pub(super) fn sequencer(&self, owner: Incarnation) -> Option<&Arc<dyn Sequencer>> {
        if self.sequencer.get().is_none() {
            let found = self.sequencers.sequencer(owner)?;
            return Some(self.sequencer.get_or_init(|| found));
        }
        self.sequencer.get()
    }
}
