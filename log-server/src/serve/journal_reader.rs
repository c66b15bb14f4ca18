//! [`JournalReader`]: reads cells from disk on a Worker of its own, so that no RPC runtime waits for the disk.

use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::contracts::{CellState, UnitError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::journal::{Place, SegmentFiles};
use crate::serve::Published;
use crate::serve::published::{Plan, Planned};

struct Job {
    places: Vec<Place>,
    reply: oneshot::Sender<Result<Vec<Option<Bytes>>, String>>,
}

/// The part that runs on the Worker.
pub(crate) struct JournalReader {
    files: Arc<SegmentFiles>,
    jobs: mpsc::Receiver<Job>,
}

/// The part that callers hold.
#[derive(Clone)]
pub(crate) struct JournalReads(mpsc::Sender<Job>);

/// Whether a caller waits for a place in the queue when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The caller does not wait and gets `Overloaded`.
    None,
    /// The caller waits. Followers do, because they have nothing else to do.
    Waits,
}

impl JournalReader {
    pub(crate) fn new(files: Arc<SegmentFiles>, jobs_max: usize) -> (Self, JournalReads) {
        let (tx, jobs) = mpsc::channel(jobs_max.max(1));
        (Self { files, jobs }, JournalReads(tx))
    }

    /// The Worker's body: reads until `stop` is cancelled.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let job = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                job = self.jobs.recv() => job,
            };
            let Some(job) = job else { return };
            let bodies = self.files.read(&job.places).await.map_err(|e| e.to_string());
            // If the caller is gone, nobody needs the outcome.
            let _ = job.reply.send(bodies);
        }
    }
}

impl JournalReads {
    /// Reads those cells of `plan` that are on disk. Returns all cells of `plan` in order, or only the first ones if a
    /// segment was freed meanwhile.
    ///
    /// # Errors
    ///
    /// `Overloaded` if the queue is full and the caller does not wait; `Dropped` if the loglet was dropped meanwhile;
    /// `Stopped` if the Worker has ended; `Read` if the disk reports an error.
    pub(crate) async fn read(
        &self,
        loglet: &Published,
        plan: Plan,
        patience: Patience,
    ) -> Result<Vec<CellState>, UnitError> {
        let places: Vec<Place> = plan.cells.iter().filter_map(place_of).collect();
        let bodies = if places.is_empty() { Ok(Vec::new()) } else { self.fetch(places, patience).await? };
        let bodies = match bodies {
            Ok(bodies) => bodies,
            // A segment may have been freed meanwhile. Its cells were trimmed or dropped before that, so either the
            // loglet is dropped now or at least the first cell of the plan is trimmed. Or the last live cell of the
            // segment was damaged, and a repair has written it again elsewhere: then this read fails, and the next one
            // succeeds.
            Err(text) => return trimmed_meanwhile(loglet, &plan).ok_or(UnitError::Read(text))?,
        };
        let mut bodies = bodies.into_iter();
        let mut cells = Vec::with_capacity(plan.cells.len());
        for (i, cell) in plan.cells.into_iter().enumerate() {
            cells.push(match cell {
                Planned::Ready(state) => state,
                Planned::OnDisk(place) => match bodies.next().flatten() {
                    Some(body) => CellState::Present(body),
                    None if loglet.is_dropped() => return Err(UnitError::Dropped(loglet.id())),
                    None if plan.at.plus(i as u64) < loglet.local().trim_point => CellState::Trimmed,
                    None => {
                        loglet.note_damage(plan.at.plus(i as u64), place);
                        CellState::Corrupt
                    }
                },
            });
        }
        Ok(cells)
    }

    async fn fetch(
        &self,
        places: Vec<Place>,
        patience: Patience,
    ) -> Result<Result<Vec<Option<Bytes>>, String>, UnitError> {
        let (reply, bodies) = oneshot::channel();
        let job = Job { places, reply };
        match patience {
            Patience::Waits => self.0.send(job).await.map_err(|_| UnitError::Stopped)?,
            Patience::None => self.0.try_send(job).map_err(|e| match e {
                mpsc::error::TrySendError::Full(_) => UnitError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => UnitError::Stopped,
            })?,
        }
        bodies.await.map_err(|_| UnitError::Stopped)
    }
}

fn place_of(cell: &Planned) -> Option<Place> {
    match cell {
        Planned::OnDisk(place) => Some(*place),
        Planned::Ready(_) => None,
    }
}

fn trimmed_meanwhile(loglet: &Published, plan: &Plan) -> Option<Result<Vec<CellState>, UnitError>> {
    if loglet.is_dropped() {
        return Some(Err(UnitError::Dropped(loglet.id())));
    }
    let trim_point = loglet.local().trim_point;
    // A read may stop early as long as it answers at least one cell.
    let trimmed = trim_point.distance_from(plan.at).min(plan.cells.len() as u64);
    (trimmed > 0).then(|| Ok(vec![CellState::Trimmed; usize::try_from(trimmed).expect("a plan fits memory")]))
}
