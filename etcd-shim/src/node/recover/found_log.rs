//! [`FoundLog`]: the log of the old cluster, read from the journals of the survivors.

use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use naxos_client::{LogError, Record, SharedLog};
use naxos_log_server::FoundCells;
use naxos_proto::chain::Chain;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, CellState, Refusal};
use naxos_proto::ids::Lsn;

/// A log that ends at `tail`. It takes no appends, but `last` may hold one more entry, which is in no journal.
pub(super) struct FoundLog {
    pub(super) chain: Chain,
    /// The journals, in the order in which they are asked. The survivors own them. The references are weak because the
    /// parts of a stack keep this log until the process ends, and a journal holds the lock of its directory.
    pub(super) cells: Vec<Weak<FoundCells>>,
    pub(super) tail: Lsn,
    /// The entry at `tail`, once it is known.
    pub(super) last: OnceLock<Bytes>,
}

impl FoundLog {
    async fn read_some(&self, from: Lsn, below: Lsn, max_bytes: usize) -> Result<(Vec<Record>, Lsn), LogError> {
        if from >= below {
            return Ok((Vec::new(), from));
        }
        if from == self.tail
            && let Some(payload) = self.last.get()
        {
            return Ok((vec![Record { lsn: from, payload: payload.clone() }], from.next()));
        }
        // This lets the caller report its progress between two reads.
        tokio::task::yield_now().await;
        let lost = |why: &str| LogError::Lost(from, why.to_owned());
        let segment = self.chain.segment_of(from).ok_or_else(|| lost("the chain begins after it"))?;
        let below = below.min(self.tail).min(segment.end.unwrap_or(self.tail));
        let range = segment.offset(from)..segment.offset(below);
        let mut why = "no directory has it".to_owned();
        let journals = self.cells.iter().filter_map(Weak::upgrade);
        for cells in journals.filter(|cells| cells.local(segment.params.id).is_some()) {
            match cells.read(segment.params.id, range.clone(), max_bytes).await {
                Ok(found) => {
                    let (records, next) = records_of(from, found);
                    if next > from {
                        return Ok((records, next));
                    }
                }
                Err(error) => why = error.to_string(),
            }
        }
        Err(lost(&why))
    }
}

/// The records of the first cells that are there, and the position after them.
fn records_of(from: Lsn, cells: Vec<CellState>) -> (Vec<Record>, Lsn) {
    let (mut records, mut at) = (Vec::new(), from);
    for cell in cells {
        match cell {
            CellState::Present(payload) => records.push(Record { lsn: at, payload }),
            CellState::Junk => {}
            CellState::Trimmed | CellState::Absent | CellState::Corrupt => break,
        }
        at = at.next();
    }
    (records, at)
}

impl SharedLog for FoundLog {
    fn append(&self, _: Vec<Cell>, done: Completion<Result<Lsn, AppendError>>) {
        done.complete(Err(AppendError::Refused(Refusal::Unsupported("this log can only be read".to_owned()))));
    }

    fn check_tail(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        let tail = if self.last.get().is_some() { self.tail.next() } else { self.tail };
        Box::pin(std::future::ready(Ok(tail)))
    }

    fn check_tail_now(&self) -> Option<Lsn> {
        None
    }

    fn read(&self, from: Lsn, below: Lsn, max_bytes: usize) -> BoxFuture<'_, Result<(Vec<Record>, Lsn), LogError>> {
        Box::pin(self.read_some(from, below, max_bytes))
    }

    fn follow(self: Arc<Self>, _: Lsn) -> BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>> {
        stream::pending().boxed()
    }

    fn trim(&self, _: Lsn) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn ordinal(&self) -> u64 {
        self.chain.active().params.id.ordinal
    }
}
