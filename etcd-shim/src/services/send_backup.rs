//! [`send_backup`]: the answers of `Maintenance.Snapshot`.
//!
//! The cold Worker makes the file in steps, so that other reads get their turn between two of them, and a task sends it. The
//! client's reading sets the pace. While a file is being made, the local store keeps the pages that it reads. So few clients
//! may read at a time, and a client that reads nothing for a while is given up.

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
        let backend = &self.backend;
        let (began, term) = (backend.clock.now(), backend.log.ordinal());
        // What was dropped is asked first: a compaction that comes after this answer is not complete in the file.
        let dropped = backend.janitor.done();
        let made = backend.cold.run(move |reader| Backup::new(reader, StoreId(0), term, dropped)).await;
        let mut backup = made.map_err(|_| EtcdError::Stopped)?.map_err(failed)?;
        tracing::info!(revision = backup.facts().revision, "making a backup for a client");
        let mut sent = 0;
        loop {
            let stepped = backend.cold.run(move |_| {
                let step = backup.step();
                (backup, step)
            });
            let (back, step) = stepped.await.map_err(|_| EtcdError::Stopped)?;
            backup = back;
            let (bytes, is_last) = match step.map_err(failed)? {
                Step::Nothing => continue,
                Step::Pages(pages) => (pages, false),
                Step::Digest(digest) => (digest, true),
            };
            for from in (0..bytes.len()).step_by(BLOB_BYTES_MAX) {
                let blob = bytes.slice(from..bytes.len().min(from + BLOB_BYTES_MAX));
                // The checksum does not count.
                sent = backup.bytes().min(sent + blob.len() as u64);
                if !self
                    .send(SnapshotResponse {
                        header: None,
                        remaining_bytes: backup.bytes() - sent,
                        blob,
                        version: version::ETCD_STORAGE.to_owned(),
                    })
                    .await?
                {
                    return Ok(());
                }
            }
            if is_last {
                let took = backend.clock.now().since(began);
                tracing::info!(bytes = backup.bytes(), took = ?took, "a backup was sent to a client");
                return Ok(());
            }
        }
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
