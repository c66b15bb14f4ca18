//! [`ColdReader`]: reads cells from disk on a Worker of its own, so that no RPC runtime holds a Disk.

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

/// The Worker's side.
pub(crate) struct ColdReader {
    files: Arc<SegmentFiles>,
    jobs: mpsc::Receiver<Job>,
}

/// The callers' side.
#[derive(Clone)]
pub(crate) struct ColdReads(mpsc::Sender<Job>);

/// Whether a caller waits for a place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It gets `Overloaded` when there is none.
    None,
    /// It waits: a follower has nothing else to do.
    Waits,
}

impl ColdReader {
    pub(crate) fn new(files: Arc<SegmentFiles>, jobs_max: usize) -> (Self, ColdReads) {
        let (tx, jobs) = mpsc::channel(jobs_max.max(1));
        (Self { files, jobs }, ColdReads(tx))
    }

    /// The Worker's body.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let job = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                job = self.jobs.recv() => job,
            };
            let Some(job) = job else { return };
            let bodies = self.files.read(&job.places).await.map_err(|e| e.to_string());
            // A caller that left does not care for the outcome.
            let _ = job.reply.send(bodies);
        }
    }
}

impl ColdReads {
    /// Carries out a plan.
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
            // The segment may have been freed meanwhile; then everything that was planned is trimmed or dropped.
            Err(text) => return trimmed_meanwhile(loglet, &plan).ok_or(UnitError::Read(text))?,
        };
        let mut bodies = bodies.into_iter();
        let mut cells = Vec::with_capacity(plan.cells.len());
        for (i, cell) in plan.cells.into_iter().enumerate() {
            cells.push(match cell {
                Planned::Ready(state) => state,
                Planned::OnDisk(_) => match bodies.next().flatten() {
                    Some(body) => CellState::Present(body),
                    None if loglet.is_dropped() => return Err(UnitError::Dropped(loglet.id())),
                    None if plan.at.plus(i as u64) < loglet.local().trim_point => CellState::Trimmed,
                    None => CellState::Corrupt,
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
    // Stopping early is allowed as long as one cell is answered.
    let trimmed = trim_point.distance_from(plan.at).min(plan.cells.len() as u64);
    (trimmed > 0).then(|| Ok(vec![CellState::Trimmed; usize::try_from(trimmed).expect("a plan fits memory")]))
}
