//! [`Fetcher`]: gets a snapshot from another node.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crc32fast::Hasher;
use naxos_proto::contracts::{Manifest, SnapshotError, Snapshots};
use naxos_proto::ids::{LogId, Lsn, StorageId};
use naxos_proto::seams::{Clock, Disk, File, Instant, OpenMode};

use super::partial::{PARTIAL_BYTES, PARTIAL_FILE, Partial};
use crate::local_store::{STORE_FORMAT, StoreError, install_snapshot};

/// The name of the snapshot until it is installed.
const FETCHED_FILE: &str = "snapshot.fetched";
/// Bytes that are asked for at once.
const PIECE_BYTES: u32 = 1 << 20;
/// Bytes between two syncs. A fetch that goes on after a break fetches the last bytes again, twice as many as this.
const SYNC_BYTES: u64 = 8 << 20;
/// The time between two attempts after a failure, and between two questions for a snapshot that is being made.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// The time between two messages about the progress.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// After this time without anything new from a node that has given a part of its snapshot, another node is asked.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// After this time without an answer from a node that was making a snapshot, another node is asked. No part of it is here,
/// so little is lost.
const SILENCE_BEFORE_MAX: Duration = Duration::from_secs(2);
/// How long a node may take to make a snapshot before another node is asked.
const MAKING_MAX: Duration = Duration::from_secs(1_800);

/// Why no snapshot was fetched or installed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The disk failed.
    #[error("{file}: {error}")]
    Disk {
        /// The name of the file.
        file: &'static str,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The disk has no room.
    #[error(
        "the disk has no room for a snapshot of which {bytes} bytes are still to be fetched: {free} bytes are free, \
         {reserve} of them have to stay free"
    )]
    NoRoom {
        /// The bytes that are still to be fetched.
        bytes: u64,
        /// The free bytes of the disk.
        free: u64,
        /// The bytes that stay free for the log and for checkpoints.
        reserve: u64,
    },
    /// The snapshot cannot be installed.
    #[error("the snapshot cannot be installed: {0}")]
    Install(#[from] StoreError),
}

/// Why the node that was asked gave no snapshot.
enum NoneHere {
    /// Another node, or the same one later, may give one.
    Next(String),
    /// The node that fetches cannot go on.
    Failed(FetchError),
}

impl From<FetchError> for NoneHere {
    fn from(error: FetchError) -> Self {
        NoneHere::Failed(error)
    }
}

/// Gets a snapshot from one of the other nodes; see the module.
pub struct Fetcher {
    /// The data directory.
    pub disk: Arc<dyn Disk>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The storage id of this node.
    pub own: StorageId,
    /// The log of the cluster.
    pub log: LogId,
    /// Bytes of the disk that stay free for the log and for checkpoints.
    pub reserve_bytes: u64,
}

/// A complete snapshot whose checksum holds, in a file beside the local store.
#[derive(Debug)]
pub struct Fetched {
    /// The next position to apply after it.
    pub cursor: Lsn,
}

impl Fetched {
    /// Puts the snapshot in the place of the local store, which must not be open.
    pub async fn install(self, disk: &dyn Disk, own: StorageId) -> Result<(), FetchError> {
        install_snapshot(disk, FETCHED_FILE, own, self.cursor).await?;
        remove(disk, PARTIAL_FILE).await
    }
}

/// Removes what was fetched of a snapshot, by this process or by an earlier one.
pub async fn remove_fetched(disk: &dyn Disk) -> Result<(), FetchError> {
    remove(disk, PARTIAL_FILE).await?;
    remove(disk, FETCHED_FILE).await
}

async fn remove(disk: &dyn Disk, file: &'static str) -> Result<(), FetchError> {
    match disk.remove(file).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FetchError::Disk { file, error }),
        _ => Ok(()),
    }
}

fn failed(error: io::Error) -> FetchError {
    FetchError::Disk { file: FETCHED_FILE, error }
}

impl Fetcher {
    /// Asks the nodes that `sources` names, one after the other, until one of them has given a whole snapshot. Its cursor
    /// is at least `at_least` and above `persisted`, the position to which this node could go back.
    /// # Cancel safety
    /// What came so far stays on the disk, and the next call goes on with it.
    pub async fn fetch(
        &self,
        sources: impl Fn() -> Vec<(StorageId, Arc<dyn Snapshots>)>,
        at_least: Lsn,
        persisted: Lsn,
    ) -> Result<Fetched, FetchError> {
        let wanted = at_least.max(persisted.next());
        loop {
            let mut sources = sources();
            // If a part of a snapshot was fetched before, the node that gave it is asked first.
            let first = self.begun().await.map(|partial| partial.source);
            sources.sort_by_key(|(source, _)| (Some(*source) != first, *source));
            if sources.is_empty() {
                tracing::info!("no other member is there to fetch a snapshot from");
            }
            for (source, snapshots) in sources {
                match self.fetch_from(source, &*snapshots, wanted, first == Some(source)).await {
                    Ok(fetched) => return Ok(fetched),
                    Err(NoneHere::Failed(error)) => return Err(error),
                    Err(NoneHere::Next(why)) => {
                        tracing::warn!(from = format!("{:016x}", source.0), why, "no snapshot from this member");
                    }
                }
            }
            self.clock.sleep(TRY_AGAIN).await;
        }
    }

    async fn fetch_from(
        &self,
        source: StorageId,
        snapshots: &dyn Snapshots,
        wanted: Lsn,
        is_begun: bool,
    ) -> Result<Fetched, NoneHere> {
        let manifest = self.ask(source, snapshots, wanted, is_begun).await?;
        self.check(&manifest, wanted).map_err(NoneHere::Next)?;
        let (file, at) = self.open(Partial { source, manifest }).await?;
        self.read(source, snapshots, &manifest, &file, at).await?;
        if self.crc_of(&*file, manifest.bytes).await? != manifest.crc {
            remove_fetched(&*self.disk).await?;
            return Err(NoneHere::Next("its bytes do not have the checksum of its manifest".to_owned()));
        }
        tracing::info!(bytes = manifest.bytes, cursor = manifest.cursor.0, "the snapshot was fetched");
        Ok(Fetched { cursor: manifest.cursor })
    }

    /// Asks for a snapshot until it is made. If a node has never answered, another one is asked at once. If it has
    /// answered before, it may be silent for [`SILENCE_BEFORE_MAX`]. If a part of its snapshot is here (`is_begun`), it
    /// may be silent for [`SILENCE_MAX`].
    async fn ask(
        &self,
        source: StorageId,
        snapshots: &dyn Snapshots,
        wanted: Lsn,
        is_begun: bool,
    ) -> Result<Manifest, NoneHere> {
        let began = self.clock.now();
        let (mut heard, mut told) = (is_begun.then_some(began), began);
        let silence_max = if is_begun { SILENCE_MAX } else { SILENCE_BEFORE_MAX };
        loop {
            let answer = snapshots.offer(self.own, wanted).await;
            let now = self.clock.now();
            let patience = match answer {
                Ok(manifest) => return Ok(manifest),
                Err(SnapshotError::NotYet | SnapshotError::Busy) => {
                    heard = Some(now);
                    MAKING_MAX
                }
                Err(error @ (SnapshotError::Refused(_) | SnapshotError::Unknown(_))) => {
                    return Err(NoneHere::Next(error.to_string()));
                }
                Err(SnapshotError::Unreachable(why)) if heard.is_none_or(|at| now.since(at) >= silence_max) => {
                    return Err(NoneHere::Next(why));
                }
                Err(SnapshotError::Unreachable(_)) => MAKING_MAX,
            };
            if now.since(began) >= patience {
                return Err(NoneHere::Next("it takes too long to make one".to_owned()));
            }
            if now.since(told) >= TELL_EVERY {
                told = now;
                tracing::info!(from = format!("{:016x}", source.0), "waiting for a snapshot");
            }
            self.clock.sleep(TRY_AGAIN).await;
        }
    }

    /// Whether the snapshot is one for this node. The error says why not.
    fn check(&self, manifest: &Manifest, wanted: Lsn) -> Result<(), String> {
        if manifest.log != self.log {
            return Err(format!("it is of log {}, expected {}", manifest.log, self.log));
        }
        if manifest.format != STORE_FORMAT {
            return Err(format!("it has format version {}, this build reads version {STORE_FORMAT}", manifest.format));
        }
        if manifest.cursor < wanted {
            return Err(format!("it has applied the log up to {}, expected {wanted} or more", manifest.cursor));
        }
        Ok(())
    }

    /// Which snapshot was begun, if one was.
    async fn begun(&self) -> Option<Partial> {
        let file = self.disk.open(PARTIAL_FILE, OpenMode::Existing).await.ok()?;
        Partial::decode(file.read_at(0, PARTIAL_BYTES).await.ok()?).ok()
    }

    /// Opens the file for the snapshot. Returns also from which byte on it has to be fetched.
    async fn open(&self, partial: Partial) -> Result<(Arc<dyn File>, u64), NoneHere> {
        let bytes = partial.manifest.bytes;
        let mut at = 0;
        if self.begun().await == Some(partial) {
            let file = self.disk.open(FETCHED_FILE, OpenMode::Create).await.map_err(failed)?;
            // What was not synced may be torn, so it is fetched again.
            at = file.len().await.map_err(failed)?.min(bytes).saturating_sub(2 * SYNC_BYTES);
        } else {
            remove_fetched(&*self.disk).await?;
        }
        let (free, reserve) = (self.disk.free_bytes().await.unwrap_or(u64::MAX), self.reserve_bytes);
        if free < (bytes - at).saturating_add(reserve) {
            return Err(FetchError::NoRoom { bytes: bytes - at, free, reserve }.into());
        }
        let file = self.disk.open(FETCHED_FILE, OpenMode::Create).await.map_err(failed)?;
        if at == 0 {
            let note = |error| FetchError::Disk { file: PARTIAL_FILE, error };
            let written = self.disk.open(PARTIAL_FILE, OpenMode::Create).await.map_err(note)?;
            written.write_at(0, &[partial.encode()]).await.map_err(note)?;
            written.sync().await.map_err(note)?;
            self.disk.sync_dir("").await.map_err(note)?;
        }
        Ok((file, at))
    }

    /// Fetches the bytes from `at` on.
    async fn read(
        &self,
        source: StorageId,
        snapshots: &dyn Snapshots,
        manifest: &Manifest,
        file: &Arc<dyn File>,
        mut at: u64,
    ) -> Result<(), NoneHere> {
        let from = format!("{:016x}", source.0);
        tracing::info!(from, bytes = manifest.bytes, at, cursor = manifest.cursor.0, "fetching a snapshot");
        let (mut heard, mut told, mut synced) = (self.clock.now(), self.clock.now(), at);
        while at < manifest.bytes {
            match snapshots.read(manifest.id, at, PIECE_BYTES).await {
                Ok(piece) => {
                    at = self.write(manifest, file, at, piece).await?;
                    heard = self.clock.now();
                }
                Err(error @ (SnapshotError::Refused(_) | SnapshotError::Unknown(_))) => {
                    return Err(NoneHere::Next(error.to_string()));
                }
                Err(error) => self.wait(heard, &error).await?,
            }
            if at - synced >= SYNC_BYTES {
                file.sync().await.map_err(failed)?;
                synced = at;
            }
            if self.clock.now().since(told) >= TELL_EVERY {
                told = self.clock.now();
                let percent = at.saturating_mul(100) / manifest.bytes;
                tracing::info!(from, bytes = manifest.bytes, at, percent, "fetching a snapshot");
            }
        }
        Ok(file.sync().await.map_err(failed)?)
    }

    /// Writes a piece and returns the place after it.
    async fn write(&self, manifest: &Manifest, file: &Arc<dyn File>, at: u64, piece: Bytes) -> Result<u64, NoneHere> {
        let end = at + piece.len() as u64;
        if piece.is_empty() || end > manifest.bytes {
            return Err(NoneHere::Next(format!("it answers with {} bytes at {at}", piece.len())));
        }
        file.write_at(at, &[piece]).await.map_err(failed)?;
        Ok(end)
    }

    /// Waits before the next attempt. Returns an error if `heard`, the time of the last piece, was too long ago.
    async fn wait(&self, heard: Instant, error: &SnapshotError) -> Result<(), NoneHere> {
        if self.clock.now().since(heard) >= SILENCE_MAX {
            return Err(NoneHere::Next(error.to_string()));
        }
        self.clock.sleep(TRY_AGAIN).await;
        Ok(())
    }

    /// The crc32 of the first `bytes` bytes of the file.
    async fn crc_of(&self, file: &dyn File, bytes: u64) -> Result<u32, FetchError> {
        let (mut hasher, mut at) = (Hasher::new(), 0);
        while at < bytes {
            let len = u64::from(PIECE_BYTES).min(bytes - at);
            hasher.update(&file.read_at(at, usize::try_from(len).expect("a piece is small")).await.map_err(failed)?);
            at += len;
        }
        Ok(hasher.finalize())
    }
}
