//! [`OwnMachine`]: runs a program's own state machine on a node.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::{StoreReader, Txn};
use naxos_proto::ids::Lsn;
use naxos_proto::seams::panic_text;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::{Applicator, Applied, CannotApply, Refused, Rows, View};

/// Runs a program's own state machine on a node, from one start of the node to its end.
pub(crate) struct OwnMachine {
    applicator: Arc<dyn Applicator>,
    reader: StoreReader,
    /// Held for writing while a command is applied, and for reading while a query looks.
    half_done: RwLock<()>,
    /// The program's own commands below this position are applied, and their changes can be read.
    applied: watch::Sender<Lsn>,
    failure: CannotApply,
}

impl OwnMachine {
    /// A panic of `applicator` becomes the reason of `failure`.
    pub(crate) fn new(applicator: Arc<dyn Applicator>, reader: StoreReader, failure: CannotApply) -> Arc<Self> {
        let applied = watch::Sender::new(reader.applied());
        Arc::new(Self { applicator, reader, half_done: RwLock::new(()), applied, failure })
    }

    /// Applies a command. If it is refused, its changes are undone. If the applicator panics, the node ends.
    pub(crate) fn apply(&self, txn: &mut Txn<'_>, at: Lsn, index: u32, command: &[u8]) -> Result<Applied, Refused> {
        // Until the node has ended, another thread may come to the command at which the applicator has panicked. It must
        // not try again: what is applied must not depend on how often it was tried.
        if let Some(why) = self.failure.why() {
            self.failure.end(why.to_owned());
        }
        let _half_done = self.half_done.write();
        let before = txn.mark();
        let applies = || self.applicator.apply(&mut Rows::new(txn, at, index), command);
        match catch_unwind(AssertUnwindSafe(applies)) {
            Ok(Ok(answer)) => Ok(Applied { answer: Bytes::from(answer), position: at }),
            Ok(Err(refused)) => {
                txn.roll_back(before);
                Err(refused)
            }
            Err(panic) => {
                // Undo now, under the lock: the transaction is dropped after `half_done` is given back.
                txn.roll_back(before);
                self.failure.end(format!(
                    "the program's own state machine panicked in `apply`, at command {index} of the entry at position \
                     {at}: {}",
                    panic_text(&*panic)
                ))
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use naxos_engines::LocalStore;
    use naxos_log_server::disk::RealDisk;
    use naxos_proto::seams::BootClock;

    use super::*;

    /// Counts how often it is called.
    struct Brittle(Arc<AtomicUsize>);

    impl Applicator for Brittle {
        fn apply(&self, rows: &mut Rows<'_>, _: &[u8]) -> Result<Vec<u8>, Refused> {
            self.0.fetch_add(1, Ordering::Relaxed);
            rows.put("half", "done");
            assert!(rows.get("half").is_none(), "on purpose");
            Ok(Vec::new())
        }
    }

    #[tokio::test]
    async fn a_command_that_panics_leaves_nothing_and_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::at(folder.path()));
        let mut store = LocalStore::open(disk, Arc::new(BootClock)).await.unwrap();
        let (calls, failure) = (Arc::new(AtomicUsize::new(0)), CannotApply::default());
        let own = OwnMachine::new(Arc::new(Brittle(Arc::clone(&calls))), store.reader(), failure.clone());
        let mut txn = store.begin();
        for _ in 0..2 {
            let tried = catch_unwind(AssertUnwindSafe(|| own.apply(&mut txn, Lsn(0), 0, b"bad")));
            assert!(tried.is_err());
            assert_eq!(own.look(|rows| rows.get("half")), None);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(failure.why().is_some_and(|why| why.ends_with("position 0: on purpose")), "{failure:?}");
    }
}
