//! [`Keeper`]: the Worker that answers for a seat until the cluster is founded. It is the only writer of the file
//! `founding`.

use std::io;
use std::sync::Arc;

use naxos_proto::contracts::{FoundingAnswer, FoundingReply, FoundingRequest};
use naxos_proto::seams::{Clock, Disk, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::record::FoundingRecord;
use super::record_file::write_record;

/// A request, and the place for its answer.
pub(super) type Question = (FoundingRequest, oneshot::Sender<FoundingAnswer>);

/// What the seat's handle can see.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// What is durable.
    pub(super) record: FoundingRecord,
    /// When a request of another candidate was last carried out.
    pub(super) heard: Option<Instant>,
    /// Why the record could not be written. Then the seat gives no more answers.
    pub(super) failed: Option<String>,
}

/// See the module.
pub(super) struct Keeper {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) clock: Arc<dyn Clock>,
    /// The lock on the data directory. It is released with the decision, because nothing is written here after that.
    /// Then the log server takes the lock.
    pub(super) lock: Box<dyn Send + Sync>,
    pub(super) view: watch::Sender<View>,
}

impl Keeper {
    /// Answers until the decision is durable, until a write of the record fails, or until `stop`.
    pub(super) async fn run(self, mut questions: mpsc::Receiver<Question>, stop: CancellationToken) {
        let Keeper { disk, clock, lock, view } = self;
        loop {
            let question = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                question = questions.recv() => question,
            };
            let Some((request, done)) = question else { return };
            let record = view.borrow().record.clone();
            match answer(disk.as_ref(), &record, &request).await {
                Ok((answer, next)) => {
                    let is_decided = next.decided.is_some();
                    if is_decided {
                        drop(lock);
                        publish(&view, clock.as_ref(), &answer, &request, next);
                        // A caller that has given up does not need the answer.
                        let _ = done.send(answer);
                        return;
                    }
                    publish(&view, clock.as_ref(), &answer, &request, next);
                    let _ = done.send(answer);
                }
                Err(error) => {
                    tracing::error!(%error, "the file \"founding\" cannot be written; this seat answers no more");
                    view.send_modify(|view| view.failed = Some(error.to_string()));
                    return;
                }
            }
        }
    }
}

/// Answers `request`. If this changes the record, the new record is durable before this returns.
async fn answer(
    disk: &dyn Disk,
    record: &FoundingRecord,
    request: &FoundingRequest,
) -> io::Result<(FoundingAnswer, FoundingRecord)> {
    let (answer, next) = record.answer(request);
    let Some(next) = next else { return Ok((answer, record.clone())) };
    write_record(disk, &next).await?;
    Ok((answer, next))
}

fn publish(
    view: &watch::Sender<View>,
    clock: &dyn Clock,
    answer: &FoundingAnswer,
    request: &FoundingRequest,
    record: FoundingRecord,
) {
    let is_done = matches!(answer.reply, FoundingReply::Promised { .. } | FoundingReply::Accepted { .. });
    let heard = (is_done && request.from.seat != record.own.seat).then(|| clock.now());
    view.send_modify(|view| {
        view.record = record;
        view.heard = heard.or(view.heard);
    });
}
