//! [`FoundingSeat`]: one seat of a cluster that is being founded.

use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::contracts::{Founder, Founding, FoundingAnswer, FoundingRequest, FoundingUnanswered, FoundingValue};
use naxos_proto::ids::{ClusterId, MemberId, StorageId};
use naxos_proto::seams::{Clock, Disk, Entropy, Seams, WorkerHandle, start};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::config::FoundingConfig;
use super::found::{Found, FoundingError};
use super::keeper::{Keeper, Question, View};
use super::record::FoundingRecord;
use super::record_file::{read_record, write_founding};
use crate::data_dir::{Names, claim, read_format};
use crate::open_error::OpenError;

/// At most this many requests wait for the seat's disk.
const QUESTIONS_MAX: usize = 64;

/// One seat. It answers candidates from [`Self::open`] on, and after the decision for as long as it lives, so that a
/// seat that was away can learn the decision.
pub struct FoundingSeat {
    pub(super) config: FoundingConfig,
    pub(super) own: Founder,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) view: watch::Receiver<View>,
    questions: mpsc::Sender<Question>,
    pub(super) stop: CancellationToken,
    worker: Mutex<Option<WorkerHandle>>,
}

impl FoundingSeat {
    /// Opens the data directory of `seams.disk` as a seat. A new directory gets its storage id, durably, and is locked
    /// until the founding is decided or the seat is shut down. A directory that holds data, or that knows the decision,
    /// is not changed and not locked: this seat only answers with its log.
    ///
    /// Cancelling `stop` stops the seat as [`Self::shutdown`] does. If the seat's Worker panics, it cancels `stop`.
    /// # Cancel safety
    /// If the call is dropped halfway, the directory can still be opened.
    pub async fn open(seams: &Seams, config: FoundingConfig, stop: CancellationToken) -> Result<Self, OpenError> {
        let config = config.checked()?;
        let disk = seams.disk.as_ref();
        let claim = claim(&seams.disk).await?;
        let record = if claim.is_formatted {
            formatted_record(disk, &config).await?
        } else {
            new_record(disk, seams.entropy.as_ref(), &config).await?
        };
        let (own, is_decided) = (record.own, record.decided.is_some());
        let (sender, view) = watch::channel(View { record, heard: None, failed: None });
        let (questions, waiting) = mpsc::channel(QUESTIONS_MAX);
        let worker = (!is_decided).then(|| {
            let (disk, clock) = (seams.disk.clone(), seams.clock.clone());
            let keeper = Keeper { disk, clock, lock: claim.lock, view: sender };
            start(seams.worker.as_ref(), "founding", stop.clone(), |stop| keeper.run(waiting, stop))
        });
        Ok(Self {
            config,
            own,
            clock: seams.clock.clone(),
            entropy: seams.entropy.clone(),
            view,
            questions,
            stop,
            worker: Mutex::new(worker),
        })
    }

    /// As [`Self::open`], for the seat of a member that was added to a cluster which others founded as `decided`. A new
    /// directory remembers this decision, durably. A directory that knows a decision keeps it.
    /// # Cancel safety
    /// If the call is dropped halfway, the directory can still be opened.
    pub async fn enter(
        seams: &Seams,
        config: FoundingConfig,
        decided: FoundingValue,
        stop: CancellationToken,
    ) -> Result<Self, OpenError> {
        let config = config.checked()?;
        let claim = claim(&seams.disk).await?;
        if !claim.is_formatted {
            let disk = seams.disk.as_ref();
            let record = new_record(disk, seams.entropy.as_ref(), &config).await?;
            if record.decided.is_none() {
                write_founding(disk, &FoundingRecord { decided: Some(decided), ..record }).await?;
            }
        }
        drop(claim);
        Self::open(seams, config, stop).await
    }

    /// The seat: etcd's member id. A data directory keeps the one of its first start.
    pub fn member(&self) -> MemberId {
        self.own.seat
    }

    /// The id of the data directory.
    pub fn storage_id(&self) -> StorageId {
        self.own.storage
    }

    /// The cluster that the seat belongs to: etcd's cluster id. A data directory keeps the one of its first start.
    pub fn cluster(&self) -> ClusterId {
        self.view.borrow().record.cluster
    }

    /// The decision, if this seat knows it.
    pub fn decided(&self) -> Option<Found> {
        let decided = self.view.borrow().record.decided.clone();
        decided.map(|value| Found::new(value, self.own))
    }

    /// Ends the Worker and gives up the lock. The error is the text of the Worker's panic.
    /// # Cancel safety
    /// If the call is dropped halfway, the Worker still stops.
    pub async fn shutdown(&self) -> Result<(), String> {
        self.stop.cancel();
        let worker = self.worker.lock().take();
        match worker {
            Some(worker) => worker.join().await,
            None => Ok(()),
        }
    }

    /// Waits until the decision is known here, or never will be.
    pub(super) async fn decision(&self) -> Result<FoundingValue, FoundingError> {
        let mut view = self.view.clone();
        let known = view.wait_for(|view| view.record.decided.is_some() || view.failed.is_some()).await;
        match known.as_deref() {
            Ok(View { record: FoundingRecord { decided: Some(value), .. }, .. }) => Ok(value.clone()),
            Ok(View { failed: Some(error), .. }) => Err(FoundingError::Disk(error.clone())),
            // The Worker ends without a decision only if the node stops.
            _ => Err(FoundingError::Stopped),
        }
    }

    /// As [`Founding::ask`], but waits for a place in the queue.
    pub(super) async fn ask_here(&self, request: FoundingRequest) -> Result<FoundingAnswer, FoundingUnanswered> {
        if let Some(answer) = self.answer_of_memory(&request) {
            return Ok(answer);
        }
        let (done, answer) = oneshot::channel();
        // If the Worker has ended, the sender of the answer is dropped with the request.
        let _ = self.questions.send((request.clone(), done)).await;
        self.answer_or_reason(answer, &request).await
    }

    /// The answer of a seat that knows the decision. It needs no disk.
    fn answer_of_memory(&self, request: &FoundingRequest) -> Option<FoundingAnswer> {
        let view = self.view.borrow();
        view.record.decided.as_ref().map(|_| view.record.answer(request).0)
    }

    async fn answer_or_reason(
        &self,
        answer: oneshot::Receiver<FoundingAnswer>,
        request: &FoundingRequest,
    ) -> Result<FoundingAnswer, FoundingUnanswered> {
        if let Ok(answer) = answer.await {
            return Ok(answer);
        }
        // The Worker has ended. If it ended with the decision, that is the answer.
        let failed = || match &self.view.borrow().failed {
            Some(error) => format!("the seat cannot write its record: {error}"),
            None => "the seat is stopping".to_owned(),
        };
        self.answer_of_memory(request).ok_or_else(|| FoundingUnanswered(failed()))
    }
}

impl Founding for FoundingSeat {
    fn ask(&self, request: FoundingRequest) -> BoxFuture<'_, Result<FoundingAnswer, FoundingUnanswered>> {
        Box::pin(async move {
            if let Some(answer) = self.answer_of_memory(&request) {
                return Ok(answer);
            }
            let (done, answer) = oneshot::channel();
            let sent = self.questions.try_send((request.clone(), done));
            if matches!(sent, Err(mpsc::error::TrySendError::Full(_))) {
                return Err(FoundingUnanswered("too many requests wait for the seat's disk".to_owned()));
            }
            // If the Worker has ended, `sent` holds the sender of the answer. The wait below ends when it is dropped.
            drop(sent);
            self.answer_or_reason(answer, &request).await
        })
    }
}

/// The record of a directory that holds data. A directory that was formatted without a founding is the only founder of its
/// log.
async fn formatted_record(disk: &dyn Disk, config: &FoundingConfig) -> Result<FoundingRecord, OpenError> {
    let Names { storage, log, member, .. } = read_format(disk).await?;
    let own = Founder { seat: member, storage };
    let Some(record) = read_record(disk).await? else {
        let decided = Some(FoundingValue { log, founders: vec![own] });
        return Ok(FoundingRecord { decided, ..FoundingRecord::new(config.cluster, own, config.seats.clone()) });
    };
    let recorded = record.decided.as_ref().map(|value| value.log);
    if record.own != own || recorded != Some(log) {
        return Err(OpenError::Founding(format!(
            "expected the ids of the file \"format\" (storage {:016x}, log {:016x}, seat {:016x}), found storage {:016x}, \
             log {:016x}, seat {:016x}",
            storage.0,
            log.0,
            member.0,
            record.own.storage.0,
            recorded.unwrap_or_default().0,
            record.own.seat.0
        )));
    }
    Ok(record)
}

/// The record of a directory that holds no data. If the directory is new, it becomes a seat here.
async fn new_record(
    disk: &dyn Disk,
    entropy: &dyn Entropy,
    config: &FoundingConfig,
) -> Result<FoundingRecord, OpenError> {
    if let Some(record) = read_record(disk).await? {
        let (found, wanted) = ((record.cluster, record.own.seat), (config.cluster, config.seat));
        return if found == wanted { Ok(record) } else { Err(OpenError::OtherFounding { found, wanted }) };
    }
    let own = Founder { seat: config.seat, storage: config.role.draw(entropy) };
    let record = FoundingRecord::new(config.cluster, own, config.seats.clone());
    write_founding(disk, &record).await?;
    Ok(record)
}
