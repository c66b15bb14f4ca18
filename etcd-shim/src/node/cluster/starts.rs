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
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use naxos_client::failure::{Node, StartHistory, StartMemory};
use naxos_proto::contracts::StartMark;
use naxos_proto::ids::{Boot, StorageId};
use naxos_proto::seams::{Clock, Disk, OpenMode, replace_file};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

const STARTS_FILE: &str = "starts";
const TMP: &str = "starts.tmp";
const MAGIC: &[u8; 8] = b"NAXOSSTA";
const VERSION: u32 = 1;
const BODY_AT: usize = 16;
const START_BYTES: usize = 24;
/// The largest file that is read. A real one is smaller.
const BYTES_MAX: u64 = 1 << 20;
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

#[derive(Clone, Default)]
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
}

impl Starts {
    /// Reads the file of the data directory `own`, if there is one. What it says of other data directories that are not in
    /// `seats` is forgotten: they have no seat any more, and the others refuse them.
    pub(in crate::node) async fn read(
        disk: Arc<dyn Disk>,
        own: StorageId,
        seats: &BTreeSet<StorageId>,
    ) -> io::Result<Self> {
        let marks = match disk.open(STARTS_FILE, OpenMode::Existing).await {
            Ok(file) => {
                let len = file.len().await?;
                if len > BYTES_MAX {
                    return Err(io::Error::other(format!("expected at most {BYTES_MAX} bytes, found {len}")));
                }
                let bytes = file.read_at(0, usize::try_from(len).expect("it is short")).await?;
                decode(bytes).map_err(io::Error::other)?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Marks::new(),
            Err(error) => return Err(error),
        };
        let mut known = Known::default();
        for (storage, mark) in marks {
            if storage == own {
                known.history.add(mark);
            } else if seats.contains(&storage) {
                known.latest.insert(storage, mark);
            }
        }
        known.durable = known.latest.clone().into_iter().collect();
        Ok(Self { disk, own, known: Mutex::new(known), is_newer: Notify::new() })
    }

    /// The starts of this data directory that are written down.
    pub(in crate::node) fn history(&self) -> StartHistory {
        self.known.lock().history.clone()
    }

    /// Says what the start of this process is, and which other nodes have a seat. The start is written when another node wants to note it: a node that is alone needs no
    /// file, and no room for it.
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
        let mut known = self.known.lock().clone();
        let gone: Vec<StorageId> = known.latest.keys().copied().filter(|storage| !known.has_seat(*storage)).collect();
        known.latest.retain(|storage, _| !gone.contains(storage));
        let Known { mut history, current, is_wanted, latest, .. } = known;
        let begun = current.filter(|_| is_wanted);
        if let Some(start) = begun {
            history.add(start);
        }
        let own = history.starts().map(|start| (self.own, start));
        let marks = own.chain(latest.iter().map(|(storage, mark)| (*storage, *mark)));
        replace_file(&*self.disk, STARTS_FILE, TMP, encode(marks)).await?;
        let mut known = self.known.lock();
        known.latest.retain(|storage, _| !gone.contains(storage));
        known.durable = latest.into_iter().collect();
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
    let mut out = BytesMut::with_capacity(BODY_AT + body.len());
    out.put_slice(MAGIC);
    out.put_u32_le(VERSION);
    out.put_u32_le(crc32fast::hash(&body));
    out.put_slice(&body);
    out.freeze()
}

fn decode(mut bytes: Bytes) -> Result<Marks, String> {
    if !bytes.starts_with(MAGIC) || bytes.len() < BODY_AT {
        return Err("expected \"NAXOSSTA\" at its beginning and at least 16 bytes".to_owned());
    }
    bytes.advance(MAGIC.len());
    let version = bytes.get_u32_le();
    if version != VERSION {
        return Err(format!("it has version {version}, this build reads version {VERSION}"));
    }
    let (expected, found) = (bytes.get_u32_le(), crc32fast::hash(&bytes));
    if found != expected || !bytes.len().is_multiple_of(START_BYTES) {
        return Err(format!("expected the checksum {expected}, found {found}"));
    }
    let mut marks = Marks::new();
    while bytes.has_remaining() {
        let storage = StorageId(bytes.get_u64_le());
        marks.push((storage, StartMark { boot: Boot(bytes.get_u64_le()), nonce: bytes.get_u64_le() }));
    }
    Ok(marks)
}

#[cfg(test)]
#[path = "starts_tests.rs"]
mod tests;
