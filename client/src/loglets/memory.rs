//! A loglet in the memory of one process, for tests and embedding. Appends are acknowledged at once, and every entry is
//! lost when the process ends.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, CellState, Followed, Refusal};
use naxos_proto::ids::{LogletId, Lsn, Offset};
use naxos_proto::tail::Tail;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider};

/// An item of the follow stream has at most this many cells.
const FOLLOWED_CELLS_MAX: usize = 4_096;

#[derive(Default)]
struct Contents {
    cells: Vec<CellState>,
    sealed: bool,
}

struct MemoryLoglet {
    params: LogletParams,
    contents: Mutex<Contents>,
    /// Notified when cells are added, and when the loglet is sealed.
    changed: Notify,
    /// Held while completions run, so that they run in the order of the appends.
    order: parking_lot::ReentrantMutex<()>,
}

impl MemoryLoglet {
    fn new(params: LogletParams) -> Self {
        Self { params, contents: Mutex::default(), changed: Notify::new(), order: parking_lot::ReentrantMutex::new(()) }
    }

    async fn followed(&self, next: Offset) -> Followed {
        loop {
            // Registered before the contents are read, so that no change between the two is missed.
            let changed = self.changed.notified();
            {
                let contents = self.contents.lock();
                let at = usize::try_from(next.0).expect("memory holds it");
                let cells = contents.cells.get(at..).unwrap_or_default();
                match cells.iter().position(|c| *c != CellState::Trimmed) {
                    Some(0) => {
                        let whole = cells.iter().take(FOLLOWED_CELLS_MAX).cloned().collect();
                        return Followed::Cells { at: next, cells: whole };
                    }
                    None if cells.is_empty() => {}
                    _ => return Followed::Cells { at: next, cells: vec![CellState::Trimmed] },
                }
                if contents.sealed {
                    return Followed::Sealed(Offset(contents.cells.len() as u64));
                }
            }
            changed.await;
        }
    }

    /// The first offset at or above `from` that is not trimmed.
    fn untrimmed(&self, from: Offset) -> Offset {
        let contents = self.contents.lock();
        let at = usize::try_from(from.0).expect("memory holds it");
        let trimmed = contents.cells.iter().skip(at).take_while(|c| **c == CellState::Trimmed).count();
        from.plus(trimmed as u64)
    }
}

impl Loglet for MemoryLoglet {
    fn params(&self) -> &LogletParams {
        &self.params
    }

    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Offset, AppendError>>) {
        if batch.iter().any(|cell| cell.in_streams) {
            let refusal = Refusal::Unsupported(format!("loglets of {} have no streams", self.params.kind));
            return done.complete(Err(refusal.into()));
        }
        // The completion below may apply the entry and append the next one. That append does not come here: the gate in
        // front of the loglet queues it while this call runs.
        let _order = self.order.lock();
        let outcome = {
            let mut contents = self.contents.lock();
            if contents.sealed {
                Err(AppendError::Sealed)
            } else {
                let at = Offset(contents.cells.len() as u64);
                contents.cells.extend(batch.into_iter().map(|c| CellState::Present(c.payload)));
                Ok(at)
            }
        };
        self.changed.notify_waiters();
        done.complete(outcome);
    }

    fn check_tail(&self) -> BoxFuture<'_, Result<Tail, LogletError>> {
        let tail = self.check_tail_now().expect("a memory loglet answers from memory");
        Box::pin(std::future::ready(Ok(tail)))
    }

    fn check_tail_now(&self) -> Option<Tail> {
        let contents = self.contents.lock();
        let tail = Offset(contents.cells.len() as u64);
        Some(if contents.sealed { Tail::Sealed(tail) } else { Tail::Open(tail) })
    }

    fn read(&self, range: Range<Offset>, max_bytes: usize) -> BoxFuture<'_, Result<Vec<CellState>, LogletError>> {
        let contents = self.contents.lock();
        let mut bytes = 0;
        let mut cells = Vec::new();
        for at in range.start.0..range.end.0 {
            let at = usize::try_from(at).expect("memory holds it");
            let cell = contents.cells.get(at).cloned().unwrap_or(CellState::Absent);
            if let CellState::Present(payload) = &cell {
                bytes += payload.len();
            }
            if !cells.is_empty() && bytes > max_bytes {
                break;
            }
            cells.push(cell);
        }
        Box::pin(std::future::ready(Ok(cells)))
    }

    fn follow(self: Arc<Self>, from: Offset) -> BoxStream<'static, Result<Followed, LogletError>> {
        stream::unfold(Some((self, from)), |state| async move {
            let (loglet, next) = state?;
            let item = loglet.followed(next).await;
            let state = match &item {
                Followed::Cells { at, cells } => {
                    let next = loglet.untrimmed(at.plus(cells.len() as u64));
                    Some((loglet, next))
                }
                Followed::KnownTail(_) | Followed::Sealed(_) => None,
            };
            Some((Ok(item), state))
        })
        .boxed()
    }

    fn seal(&self) -> BoxFuture<'_, Result<Offset, LogletError>> {
        let tail = {
            let mut contents = self.contents.lock();
            contents.sealed = true;
            Offset(contents.cells.len() as u64)
        };
        self.changed.notify_waiters();
        Box::pin(std::future::ready(Ok(tail)))
    }

    fn replicate(&self, _: Offset, _: bool) -> BoxFuture<'_, Result<u64, LogletError>> {
        // There are no copies.
        Box::pin(std::future::ready(Ok(0)))
    }

    fn trim(&self, up_to: Offset) -> BoxFuture<'_, Result<(), LogletError>> {
        let up_to = usize::try_from(up_to.0).unwrap_or(usize::MAX);
        self.contents.lock().cells.iter_mut().take(up_to).for_each(|c| *c = CellState::Trimmed);
        Box::pin(std::future::ready(Ok(())))
    }

    fn discard(&self) -> BoxFuture<'_, Result<(), LogletError>> {
        {
            let mut contents = self.contents.lock();
            contents.sealed = true;
            contents.cells.iter_mut().for_each(|c| *c = CellState::Trimmed);
        }
        self.changed.notify_waiters();
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Makes memory loglets and keeps them, so that several virtual logs of one process can share them.
#[derive(Default)]
pub struct MemoryProvider {
    loglets: Mutex<BTreeMap<LogletId, Arc<MemoryLoglet>>>,
}

impl LogletProvider for MemoryProvider {
    fn kind(&self) -> LogletKind {
        LogletKind::MEMORY
    }

    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError> {
        let mut loglets = self.loglets.lock();
        Ok(loglets.entry(params.id).or_insert_with(|| Arc::new(MemoryLoglet::new(params.clone()))).clone())
    }

    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move { self.open(params).map(drop) })
    }

    fn serve<'a>(&'a self, _: &'a LogletParams, _: Lsn) -> BoxFuture<'a, Result<(), LogletError>> {
        // A memory loglet has no sequencer.
        Box::pin(std::future::ready(Ok(())))
    }

    fn raise_floor<'a>(&'a self, _: &'a [LogletParams], _: u64) -> BoxFuture<'a, Result<(), LogletError>> {
        // There are no units to tell, and a discarded loglet holds nothing.
        Box::pin(std::future::ready(Ok(())))
    }

    fn choose_params(&self, id: LogletId, _: &Liveness) -> Result<LogletParams, LogletError> {
        Ok(LogletParams { id, kind: LogletKind::MEMORY, bytes: Bytes::new() })
    }
}
