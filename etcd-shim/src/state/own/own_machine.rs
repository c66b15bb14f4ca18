//! [`OwnMachine`]: runs a program's own state machine on a node.

use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::{StoreReader, Txn};
use naxos_proto::ids::Lsn;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::{Applicator, Applied, Refused, Rows, View};

/// Runs a program's own state machine on a node, from one start of the node to its end.
pub(crate) struct OwnMachine {
    applicator: Arc<dyn Applicator>,
    reader: StoreReader,
    /// Held for writing while a command is applied, and for reading while a query looks.
    half_done: RwLock<()>,
    /// The program's own commands below this position are applied, and their changes can be read.
    applied: watch::Sender<Lsn>,
}

impl OwnMachine {
    pub(crate) fn new(applicator: Arc<dyn Applicator>, reader: StoreReader) -> Arc<Self> {
        let applied = watch::Sender::new(reader.applied());
        Arc::new(Self { applicator, reader, half_done: RwLock::new(()), applied })
    }

    /// Applies a command. If it is refused, its changes are undone.
    pub(crate) fn apply(&self, txn: &mut Txn<'_>, at: Lsn, index: u32, command: &[u8]) -> Result<Applied, Refused> {
        let _half_done = self.half_done.write();
        let before = txn.mark();
        match self.applicator.apply(&mut Rows::new(txn, at, index), command) {
            Ok(answer) => Ok(Applied { answer: Bytes::from(answer), position: at }),
            Err(refused) => {
                txn.roll_back(before);
                Err(refused)
            }
        }
    }

    /// Notes that the commands of the entry at `at` are applied.
    pub(crate) fn has_applied(&self, at: Lsn) {
        self.applied.send_replace(Lsn(at.0 + 1));
    }

    /// Waits until the commands at `position` are applied here.
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn reaches(&self, position: Lsn) {
        // The sender is in `self`, so the wait does not fail.
        let _ = self.applied.subscribe().wait_for(|next| *next > position).await;
    }

    /// Lets `look` see the rows.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        let _whole = self.half_done.read();
        look(&View::new(&self.reader))
    }
}
