//! [`Offering`]: offers snapshots of this node's local store to other nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, Fuse, FutureExt};
use naxos_proto::contracts::{Manifest, SnapshotError, Snapshots};
use naxos_proto::ids::{LogId, Lsn, StorageId};
use naxos_proto::seams::{Clock, Disk, Entropy, File, Instant, OpenMode};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::local_store::{SNAPSHOT_FILE, STORE_FORMAT, SnapshotFile, Snapshotter, StoreReader};
use crate::view_tracking::ViewTracking;

/// At most this many calls wait for the Worker.
const CALLS_MAX: usize = 32;
/// The log is held for at most this many nodes.
const HOLDS_MAX: usize = 16;
/// How long the log may take to begin a hold or to end one.
const HOLD_PATIENCE: Duration = Duration::from_secs(3);
/// A snapshot that nobody has read for this long is removed, and the log is no longer held.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// A snapshot is removed after this time even if it is being read.
const OFFERED_MAX: Duration = Duration::from_secs(3_600);
/// The time between two looks at the age of the snapshot.
const LOOK_EVERY: Duration = Duration::from_secs(1);

type Answer<T> = oneshot::Sender<Result<T, SnapshotError>>;

enum Call {
    Offer { to: StorageId, at_least: Lsn, answer: Answer<Manifest> },
    Read { id: u64, at: u64, len: u32, answer: Answer<Bytes> },
}

/// The calls of other nodes; see the module.
#[derive(Clone)]
pub struct Offering(mpsc::Sender<Call>);

/// What the Worker needs.
pub struct OfferingParts {
    /// The log whose state is offered.
    pub log: LogId,
    /// The disk of the local store.
    pub disk: Arc<dyn Disk>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of ids.
    pub entropy: Arc<dyn Entropy>,
    /// The local store.
    pub reader: StoreReader,
    /// Makes the copies.
    pub snapshotter: Snapshotter,
    /// Holds back trimming.
    pub view: Arc<ViewTracking>,
    /// The position up to which the log may be trimmed, as far as this process has applied it.
    pub trim_point: Box<dyn Fn() -> Lsn + Send + Sync>,
}

/// The Worker before it runs.
pub struct OfferingWorker {
    parts: OfferingParts,
    calls: mpsc::Receiver<Call>,
}

impl Offering {
    /// The calls, and the Worker that answers them.
    pub fn new(parts: OfferingParts) -> (Self, OfferingWorker) {
        let (tx, calls) = mpsc::channel(CALLS_MAX);
        (Self(tx), OfferingWorker { parts, calls })
    }

    fn call<T: Send + 'static>(&self, call: Call, answer: oneshot::Receiver<Result<T, SnapshotError>>) -> Asked<'_, T> {
        let stopping = || SnapshotError::Unreachable("the node is stopping".to_owned());
        Box::pin(async move {
            match self.0.try_send(call) {
                Ok(()) => answer.await.unwrap_or_else(|_| Err(stopping())),
                Err(mpsc::error::TrySendError::Full(_)) => Err(SnapshotError::Busy),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(stopping()),
            }
        })
    }
}

type Asked<'a, T> = BoxFuture<'a, Result<T, SnapshotError>>;

impl Snapshots for Offering {
    fn offer(&self, to: StorageId, at_least: Lsn) -> Asked<'_, Manifest> {
        let (answer, answered) = oneshot::channel();
        self.call(Call::Offer { to, at_least, answer }, answered)
    }

    fn read(&self, id: u64, at: u64, len: u32) -> Asked<'_, Bytes> {
        let (answer, answered) = oneshot::channel();
        self.call(Call::Read { id, at, len, answer }, answered)
    }
}

/// A finished snapshot.
struct Offered {
    manifest: Manifest,
    file: Arc<dyn File>,
    since: Instant,
    used: Instant,
}

/// A snapshot that is being made. It resolves with what was made, or with the reason why it was not.
type Making = Fuse<BoxFuture<'static, Result<SnapshotFile, String>>>;

/// What the Worker offers.
struct Desk {
    parts: OfferingParts,
    offered: Option<Offered>,
    is_making: bool,
    /// Why the last snapshot was not made. It is told to the next node that asks.
    failed: Option<String>,
    /// The nodes for which the log is held, and from where.
    holds: BTreeMap<StorageId, Lsn>,
}

/// The position at which the log is held for a node that will go on at `cursor`. It is below the cursor, so that the
/// node's own announcement of its cursor differs from the hold.
fn held_at(cursor: Lsn) -> Lsn {
    Lsn(cursor.0.saturating_sub(1))
}

impl OfferingWorker {
    /// Answers calls until `stop`. Reads the disk.
    pub async fn run(mut self, stop: CancellationToken) {
        let clock = Arc::clone(&self.parts.clock);
        let mut making: Making = Fuse::terminated();
        let holds = BTreeMap::new();
        let mut desk = Desk { parts: self.parts, offered: None, is_making: false, failed: None, holds };
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                made = &mut making => desk.made(made).await,
                call = self.calls.recv() => match call {
                    None => return,
                    Some(Call::Offer { to, at_least, answer }) => {
                        let outcome = desk.offer(to, at_least, &mut making).await;
                        // The caller may be gone.
                        let _ = answer.send(outcome);
                    }
                    Some(Call::Read { id, at, len, answer }) => drop(answer.send(desk.read(id, at, len).await)),
                },
                () = clock.sleep(LOOK_EVERY) => desk.tidy().await,
            }
        }
    }
}

impl Desk {
    async fn offer(&mut self, to: StorageId, at_least: Lsn, making: &mut Making) -> Result<Manifest, SnapshotError> {
        let now = self.parts.clock.now();
        let is_new_enough = |offered: &&Offered| offered.manifest.cursor >= at_least;
        if let Some(manifest) = self.offered.as_ref().filter(is_new_enough).map(|offered| offered.manifest) {
            self.hold(to, held_at(manifest.cursor)).await?;
            // The nodes for which the snapshot was made may have gone on since, and the log may be trimmed beyond it.
            if (self.parts.trim_point)() <= manifest.cursor {
                self.offered.iter_mut().for_each(|offered| offered.used = now);
                return Ok(manifest);
            }
        }
        let applied = self.parts.reader.applied();
        if applied < at_least {
            let why = format!("expected a node that has applied the log up to {at_least}, this one is at {applied}");
            return Err(SnapshotError::Refused(why));
        }
        if self.is_making {
            return Err(SnapshotError::NotYet);
        }
        if let Some(why) = self.failed.take() {
            return Err(SnapshotError::Refused(why));
        }
        // A node that wants a newer snapshot does not read the old one any more. Other nodes may still read it, unless
        // they have told a cursor of their own since.
        let others_read = self.holds.iter().any(|(holder, at)| *holder != to && self.parts.view.is_at(*holder, *at));
        if others_read && self.offered.as_ref().is_some_and(|offered| now.since(offered.used) < IDLE_MAX) {
            return Err(SnapshotError::Busy);
        }
        self.withdraw().await;
        // The copy will be at or above the persisted cursor, and the log is there from that position on.
        self.hold(to, held_at(self.parts.reader.persisted())).await?;
        tracing::info!(to = format!("{:016x}", to.0), at_least = at_least.0, "making a snapshot for another member");
        let snapshotter = self.parts.snapshotter.clone();
        *making = async move { snapshotter.make().await }.boxed().fuse();
        self.is_making = true;
        Err(SnapshotError::NotYet)
    }

    /// Keeps the log from `at` on for the node `to`.
    async fn hold(&mut self, to: StorageId, at: Lsn) -> Result<(), SnapshotError> {
        if self.holds.len() >= HOLDS_MAX && !self.holds.contains_key(&to) {
            return Err(SnapshotError::Busy);
        }
        let held = tokio::select! {
            biased;
            held = self.parts.view.hold(to, at) => held.map_err(|error| error.to_string()),
            () = self.parts.clock.sleep(HOLD_PATIENCE) => Err("the log does not answer".to_owned()),
        };
        held.map_err(|why| SnapshotError::Refused(format!("the log cannot be held: {why}")))?;
        self.holds.insert(to, at);
        Ok(())
    }

    async fn made(&mut self, made: Result<SnapshotFile, String>) {
        self.is_making = false;
        let opened = match made {
            Ok(made) => {
                let opened = self.parts.disk.open(SNAPSHOT_FILE, OpenMode::Existing).await;
                opened.map(|file| (made, file)).map_err(|error| error.to_string())
            }
            Err(why) => Err(why),
        };
        match opened {
            Ok((SnapshotFile { cursor, bytes, crc }, file)) => {
                let (id, log, now) = (self.parts.entropy.u64(), self.parts.log, self.parts.clock.now());
                let manifest = Manifest { id, log, cursor, bytes, crc, format: STORE_FORMAT };
                tracing::info!(cursor = cursor.0, bytes, "a snapshot is ready for other members");
                self.offered = Some(Offered { manifest, file, since: now, used: now });
            }
            Err(why) => {
                tracing::warn!(why, "a snapshot could not be made");
                self.failed = Some(why);
                self.release().await;
            }
        }
    }

    async fn read(&mut self, id: u64, at: u64, len: u32) -> Result<Bytes, SnapshotError> {
        let now = self.parts.clock.now();
        let Some(offered) = self.offered.as_mut().filter(|offered| offered.manifest.id == id) else {
            return Err(SnapshotError::Unknown(id));
        };
        offered.used = now;
        let len = offered.manifest.bytes.saturating_sub(at).min(u64::from(len));
        if len == 0 {
            return Ok(Bytes::new());
        }
        let read = offered.file.read_at(at, usize::try_from(len).expect("from a u32")).await;
        read.map_err(|error| SnapshotError::Refused(format!("the snapshot cannot be read: {error}")))
    }

    /// Removes a snapshot that is not used any more, or that was offered for too long.
    async fn tidy(&mut self) {
        let now = self.parts.clock.now();
        let is_over = |o: &Offered| now.since(o.used) >= IDLE_MAX || now.since(o.since) >= OFFERED_MAX;
        if self.offered.as_ref().is_some_and(is_over) {
            tracing::info!("a snapshot is not offered any more");
            self.withdraw().await;
        }
    }

    /// Offers no snapshot any more, and holds the log no longer.
    async fn withdraw(&mut self) {
        if self.offered.take().is_some()
            && let Err(error) = self.parts.disk.remove(SNAPSHOT_FILE).await
        {
            // The next start removes it.
            tracing::warn!(%error, "a snapshot that is not offered any more cannot be removed");
        }
        self.release().await;
    }

    /// Holds the log no longer. A node that has told its own cursor meanwhile is not touched.
    async fn release(&mut self) {
        for (to, at) in std::mem::take(&mut self.holds) {
            let outcome = tokio::select! {
                biased;
                outcome = self.parts.view.eject(to, at) => outcome.map_err(|error| error.to_string()),
                () = self.parts.clock.sleep(HOLD_PATIENCE) => Err("the log does not answer".to_owned()),
            };
            if let Err(error) = outcome {
                // The node is ejected when the log becomes too large.
                tracing::debug!(error, "the log is still held for a member");
            }
        }
    }
}
