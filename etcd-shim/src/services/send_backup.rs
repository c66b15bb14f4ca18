//! [`send_backup`]: sends a backup to a client, as the answers of `Maintenance.Snapshot`.
//!
//! The cold Worker makes the file in steps, so that other reads get their turn between two of them, and a task sends it. The
//! file is made only as fast as the client reads it. While a file is being made, the local store keeps the pages from which it
//! is made. So only a few clients may read at a time, and a client that reads nothing for a while gets no more.

use std::sync::Arc;
use std::time::Duration;

use naxos_client::SharedLog;
use naxos_proto::etcd::server::etcdserverpb::SnapshotResponse;
use naxos_proto::ids::StoreId;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::backend::Backend;
use crate::backup::{Backup, BackupError, Step};
use crate::state::EtcdError;
use crate::state::rows::has_own;
use crate::version;

/// The most bytes of the file in one answer. The same as in etcd.
const BLOB_BYTES_MAX: usize = 32 << 10;
/// At most this many answers wait for the client.
const ANSWERS_MAX: usize = 8;
/// A client that takes no answer for this long is given up.
const IDLE_MAX: Duration = Duration::from_secs(60);

type Answers = mpsc::Sender<Result<SnapshotResponse, Status>>;

/// Begins to send the state as it is now. Ends with an error if `stop` is cancelled meanwhile.
pub(super) fn send_backup(
    backend: &Arc<Backend>,
    stop: CancellationToken,
) -> Result<ReceiverStream<Result<SnapshotResponse, Status>>, Status> {
    let busy = || {
        Status::resource_exhausted(format!(
            "naxos: {} backups are being read from this member, try again when one of them is complete",
            Backend::BACKUPS_MAX
        ))
    };
    let permit = Arc::clone(&backend.backups).try_acquire_owned().map_err(|_| busy())?;
    let (answers, receiver) = mpsc::channel(ANSWERS_MAX);
    let sender = Sender { backend: Arc::clone(backend), answers, _permit: permit };
    backend.tasks.start("backup", async move {
        let last = tokio::select! {
            biased;
            () = stop.cancelled() => Err(EtcdError::Stopped.into()),
            sent = sender.send_all() => sent,
        };
        if let Err(error) = last {
            tracing::warn!(error = error.message(), "a backup was not sent to its end");
            // If the client takes no answers, it does not get this one either, and sees that the checksum is missing.
            let _ = sender.answers.try_send(Err(error));
        }
    });
    Ok(ReceiverStream::new(receiver))
}

struct Sender {
    backend: Arc<Backend>,
    answers: Answers,
    _permit: OwnedSemaphorePermit,
}

fn failed(error: BackupError) -> Status {
    Status::unknown(format!("naxos: the backup cannot be made: {error}"))
}

impl Sender {
    async fn send_all(&self) -> Result<(), Status> {
        let (cold, log) = (&self.backend.cold, &self.backend.log);
        let term = log.ordinal();
        // If a backup silently lacked rows, this would be noticed only when the backup is needed.
        if cold.run(|reader| has_own(reader, StoreId(0))).await.map_err(|_| EtcdError::Stopped)? {
            return Err(Status::failed_precondition(
                "naxos: this store has replicated objects or rows of a program's own state machine, which a file of \
                 etcd cannot hold: instead, stop a node and copy its data directory",
            ));
        }
        // The janitor is asked before the state of the backup is fixed. So the file never says that a compaction is
        // complete while it still has rows that this compaction freed.
        let dropped = self.backend.janitor.done();
        let made = cold.run(move |reader| Backup::new(reader, StoreId(0), term, dropped)).await;
        let backup = made.map_err(|_| EtcdError::Stopped)?.map_err(failed)?;
        tracing::info!(revision = backup.facts().revision, "making a backup for a client");
        let mut backup = Some(backup);
        let sent = self.send_steps(&mut backup).await;
        if let Some(backup) = backup {
            // It may be the last user of a file that a defragmentation has replaced, and closing a file takes time. If the
            // Worker has stopped, the backup is gone already.
            let _ = cold.run(move |_| drop(backup)).await;
        }
        sent
    }

    /// Makes the file and sends it. `backup` is empty while the cold Worker has it.
    async fn send_steps(&self, backup: &mut Option<Backup>) -> Result<(), Status> {
        let (began, mut sent) = (self.backend.clock.now(), 0);
        while let Some(mut at_work) = backup.take() {
            let stepped = self.backend.cold.run(move |_| {
                let step = at_work.step();
                (at_work, step)
            });
            let (back, step) = stepped.await.map_err(|_| EtcdError::Stopped)?;
            let total = backup.insert(back).bytes();
            let (bytes, is_last) = match step.map_err(failed)? {
                Step::Nothing => continue,
                Step::Pages(pages) => (pages, false),
                Step::Digest(digest) => (digest, true),
            };
            for from in (0..bytes.len()).step_by(BLOB_BYTES_MAX) {
                let blob = bytes.slice(from..bytes.len().min(from + BLOB_BYTES_MAX));
                // The checksum does not count.
                sent = total.min(sent + blob.len() as u64);
                let (remaining_bytes, version) = (total - sent, version::ETCD_STORAGE.to_owned());
                if !self.send(SnapshotResponse { header: None, remaining_bytes, blob, version }).await? {
                    return Ok(());
                }
            }
            if is_last {
                let took = self.backend.clock.now().since(began);
                tracing::info!(bytes = total, took = ?took, "a backup was sent to a client");
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends an answer. Returns false if the client has gone.
    async fn send(&self, answer: SnapshotResponse) -> Result<bool, Status> {
        tokio::select! {
            biased;
            sent = self.answers.send(Ok(answer)) => Ok(sent.is_ok()),
            () = self.backend.clock.sleep(IDLE_MAX) => Err(Status::deadline_exceeded(format!(
                "naxos: the client took no answer for {}", humantime::format_duration(IDLE_MAX)
            ))),
        }
    }
}
