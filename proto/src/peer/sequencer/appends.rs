//! The server's side of the stream of appends.

use std::sync::Arc;

use tonic::Streaming;

use crate::completion::Completion;
use crate::contracts::{AppendError, Sequencer};
use crate::ids::{ChainVersion, Incarnation, LogletId, Offset};
use crate::peer::Home;
use crate::peer::generated as wire;
use crate::peer::limits::CELL_OVERHEAD_BYTES;
use crate::peer::outbox::{Reading, Slot};
use crate::peer::wire::{Garbage, Wire, cells_from_wire};
use wire::append_answer::Answer;

use super::protocol::Batch;

/// Checks all of a frame before any of it is carried out.
fn check(appends: Vec<wire::Append>) -> Result<Vec<(u64, Batch)>, Garbage> {
    let batch = |m: wire::Append| {
        let loglet = LogletId::required(m.loglet, "the loglet of an append")?;
        let incarnation = Incarnation::required(m.incarnation, "the sequencer of an append")?;
        Ok((m.number, Batch { loglet, incarnation, cells: cells_from_wire(m.cells) }))
    };
    appends.into_iter().map(batch).collect()
}

fn answer(slot: Slot<Answer>, outcome: Result<Offset, AppendError>) {
    slot.answer(match outcome {
        Ok(at) => Answer::At(at.0),
        Err(error) => Answer::Error(error.to_wire()),
    });
}

/// Reads the appends of one stream until it ends, and hands them to the sequencer in their order. If the future is
/// dropped before it was polled for the first time, `reading` ends the stream.
pub(super) async fn serve(
    home: Home,
    sequencer: Arc<dyn Sequencer>,
    mut frames: Streaming<wire::Appends>,
    reading: Reading<Answer>,
) {
    let outbox = &reading.0;
    while let Ok(Some(frame)) = frames.message().await {
        let appends = match check(frame.appends) {
            Ok(appends) => appends,
            Err(garbage) => return outbox.fail(garbage.into()),
        };
        home.news.hear(ChainVersion(frame.chain));
        for (number, Batch { loglet, incarnation, cells }) in appends {
            let bytes =
                CELL_OVERHEAD_BYTES * (cells.len() + 1) + cells.iter().map(|cell| cell.payload.len()).sum::<usize>();
            let Some(slot) = outbox.admit(number, bytes).await else { return };
            // The outcome goes from the thread that learns it straight into the outbox, and so does the grant.
            let early = slot.early();
            let granted = move |at: Offset| early.answer(Answer::Granted(at.0));
            let done = Completion::new(move |outcome| answer(slot, outcome));
            sequencer.append(loglet, incarnation, cells, Some(Box::new(granted)), done);
        }
    }
}
