//! [`Starts`]: the file `starts`, in which a node remembers its own starts, and the latest start on each other data
//! directory.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `NAXOSSTA` |
//! | 8 | 4 | version, 1 (little-endian) |
//! | 12 | 4 | crc32 of everything from byte 16 on (little-endian) |
//! | 16 | 24 each | storage id, boot count and nonce of a start (little-endian) |

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use naxos_client::failure::{Node, StartHistory, StartMemory};
use naxos_proto::contracts::StartMark;
use naxos_proto::ids::{Boot, StorageId};
use naxos_proto::seams::{Clock, Disk, replace_file};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::small_file;

const STARTS_FILE: &str = "starts";
const TMP: &str = "starts.tmp";
const MAGIC: &[u8; 8] = b"NAXOSSTA";
const START_BYTES: usize = 24;
/// The time between two attempts to write the file.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// The starts in the file, in its order.
type Marks = Vec<(StorageId, StartMark)>;

/// See the module.
pub(in crate::node) struct Starts {
    disk: Arc<dyn Disk>,
    own: StorageId,
    known: Mutex<Known>,
    /// Wakes [`Self::tend`] when something is not durable yet.
    is_newer: Notify,
}

#[derive(Default)]
struct Known {
    history: StartHistory,
    /// The start of this process, until it is in `history`.
    current: Option<StartMark>,
    /// Whether `current` has to be written.
    is_wanted: bool,
    latest: BTreeMap<StorageId, StartMark>,
    durable: Marks,
    /// The other nodes that have a seat now. `None` before the start has begun.
    seated: Option<watch::Receiver<Vec<Node>>>,
}

impl Known {
    fn has_seat(&self, storage: StorageId) -> bool {
        self.seated.as_ref().is_none_or(|nodes| nodes.borrow().iter().any(|node| node.storage == storage))
    }

    fn forget_those_without_a_seat(&mut self) {
        let mut latest = std::mem::take(&mut self.latest);
        latest.retain(|storage, _| self.has_seat(*storage));
        self.latest = latest;
    }

    fn latest(&self) -> Marks {
        self.latest.iter().map(|(storage, mark)| (*storage, *mark)).collect()
    }
}

impl Starts {
    /// Reads the file of the data directory `own`, if there is one. What it says of other data directories that are not
    /// in `seats` is forgotten: they have no seat any more, and the members refuse them.
    pub(in crate::node) async fn read(
        disk: Arc<dyn Disk>,
        own: StorageId,
        seats: &BTreeSet<StorageId>,
    ) -> io::Result<Self> {
        let marks = match small_file::read(&*disk, STARTS_FILE).await? {
            Some(bytes) => decode(&bytes).map_err(io::Error::other)?,
            None => Marks::new(),
        };
        let mut known = Known::default();
        for (storage, mark) in marks {
            if storage == own {
                known.history.add(mark);
            } else if seats.contains(&storage) {
                known.latest.insert(storage, mark);
            }
        }
        known.durable = known.latest();
        Ok(Self { disk, own, known: Mutex::new(known), is_newer: Notify::new() })
    }

    /// The starts of this data directory that are written down.
    pub(in crate::node) fn history(&self) -> StartHistory {
        self.known.lock().history.clone()
    }

    /// Says what the start of this process is, and which other nodes have a seat. The start is written down when another node
    /// wants to note it. So a node that is alone needs no file, and no room for it.
    pub(in crate::node) fn begin(&self, start: StartMark, seated: watch::Receiver<Vec<Node>>) {
        let mut known = self.known.lock();
        known.current = Some(start);
        known.seated = Some(seated);
    }

    /// Writes the file whenever something is new, until `stop`. If it cannot be written, tries again.
    pub(in crate::node) async fn tend(&self, clock: &dyn Clock, stop: CancellationToken) {
        let work = async {
            loop {
                self.is_newer.notified().await;
                while let Err(error) = self.write().await {
                    tracing::warn!(%error, "the file \"starts\" cannot be written; trying again");
                    clock.sleep(TRY_AGAIN).await;
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn write(&self) -> io::Result<()> {
        let (mut history, begun, latest) = {
            let mut known = self.known.lock();
            known.forget_those_without_a_seat();
            (known.history.clone(), known.current.filter(|_| known.is_wanted), known.latest())
        };
        if let Some(start) = begun {
            history.add(start);
        }
        let own = history.starts().map(|start| (self.own, start));
        replace_file(&*self.disk, STARTS_FILE, TMP, encode(own.chain(latest.iter().copied()))).await?;
        let mut known = self.known.lock();
        known.durable = latest;
        known.history = history;
        if begun.is_some() {
            known.current = None;
        }
        Ok(())
    }
}

impl StartMemory for Starts {
    fn note(&self, storage: StorageId, start: StartMark) -> bool {
        let mut known = self.known.lock();
        match known.latest.get(&storage) {
            Some(latest) if *latest == start => return true,
            Some(latest) if start.is_outdated_by(*latest) => return false,
            _ if !known.has_seat(storage) => return false,
            _ => {}
        }
        known.latest.insert(storage, start);
        self.is_newer.notify_one();
        true
    }

    fn is_latest(&self, storage: StorageId, start: StartMark) -> bool {
        self.known.lock().latest.get(&storage) == Some(&start)
    }

    fn own_is_durable(&self) -> bool {
        let mut known = self.known.lock();
        if known.current.is_some() && !known.is_wanted {
            known.is_wanted = true;
            self.is_newer.notify_one();
        }
        known.current.is_none()
    }

    fn noted(&self) -> Marks {
        self.known.lock().durable.clone()
    }
}

fn encode(marks: impl Iterator<Item = (StorageId, StartMark)>) -> Bytes {
    let mut body = BytesMut::new();
    for (storage, mark) in marks {
        body.put_u64_le(storage.0);
        body.put_u64_le(mark.boot.0);
        body.put_u64_le(mark.nonce);
    }
    small_file::wrap(MAGIC, &body)
}

fn decode(bytes: &Bytes) -> Result<Marks, String> {
    let mut body = small_file::unwrap(MAGIC, bytes)?;
    if !body.len().is_multiple_of(START_BYTES) {
        return Err(format!("expected {START_BYTES} bytes for each start, found {} bytes", body.len()));
    }
    let mut marks = Marks::new();
    while body.has_remaining() {
        let storage = StorageId(body.get_u64_le());
        marks.push((storage, StartMark { boot: Boot(body.get_u64_le()), nonce: body.get_u64_le() }));
    }
    Ok(marks)
}

#[cfg(test)]
#[path = "starts_tests.rs"]
mod tests;
