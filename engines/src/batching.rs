//! Batching: many commands in one entry, one local store transaction for all of them (Delos, SOSP'21, section 4.G).
//!
//! Adaptive, so that it costs next to nothing when idle: with no batch on the way, the commands of the handlers that are
//! ready now set out together ([`crate::reply_port`]). A second batch sets out as soon as it is as large as the one on
//! the way: a sync and an apply cost the same for few commands as for many, and equal batches share them best. Later
//! commands gather until a batch comes back. Switched off, every command is an entry of its own.
//!
//! Header, little-endian: version u8 = 1, storage id u64, boot u64, batch number u64, command count u32. Payload: for each
//! command its length u32 and its bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::Refusal;
use naxos_proto::ids::{Boot, Incarnation, Lsn, StorageId};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::engine::{Applicator, Engine, EngineSwitch, Proposal, ProposeError};
use crate::entry::{Entry, engine_ids};
use crate::local_store::{StoreReader, Txn};
use crate::reply_port::{Waiter, deliver_all};
use crate::session::Below;

const HEADER_FORMAT: u8 = 1;
/// Batches on their way before commands gather.
const IN_FLIGHT_MAX: usize = 2;
/// Commands in one entry.
const BATCH_COMMANDS_MAX: usize = 4_096;
/// Bytes in one entry, unless one command alone is larger.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Commands that may wait, for batches to come back or for the checkpoint; over it callers are refused.
const WAITING_COMMANDS_MAX: usize = 16_384;
/// Bytes that may wait.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// The application on top of the stack.
pub trait Application: Send + 'static {
    /// What a command yields.
    type Output: Send + 'static;

    /// Applies command `index` of the entry at `lsn`. A function of the log; validates before it writes, so that a
    /// refused command leaves no trace.
    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, index: u32, command: Bytes) -> Self::Output;

    /// After the last command of an entry, in its transaction: writes what belongs to the entry as a whole.
    fn end_entry(&mut self, txn: &mut Txn<'_>);

    /// After the entry's commit: publishes its effects to readers and watchers.
    fn post_apply(&mut self, lsn: Lsn);

    /// After the outputs went to their callers: what need not hold them up.
    fn after_replies(&mut self) {}
}

/// What a caller waits for.
pub type Reply<O> = Result<O, ProposeError>;

struct Gathered<O> {
    waiting: Vec<(Bytes, Waiter<Reply<O>>)>,
    waiting_bytes: usize,
    in_flight: BTreeMap<u64, Vec<Waiter<Reply<O>>>>,
    next: u64,
}

impl<O> Gathered<O> {
    /// Whether what waits makes a batch that may set out.
    fn may_go(&self) -> bool {
        let enough = match self.in_flight.len() {
            0 => 1,
            IN_FLIGHT_MAX.. => return false,
            _ => self.in_flight.values().map(Vec::len).min().unwrap_or(1),
        };
        self.waiting.len() >= enough || self.waiting_bytes >= BATCH_BYTES_MAX
    }
}

/// Commands that set out together.
struct Batch {
    number: u64,
    commands: Vec<Bytes>,
}

/// Both halves share this.
pub struct Batching<O> {
    own: Incarnation,
    switch: EngineSwitch,
    below: Below,
    gathered: Mutex<Gathered<O>>,
    reader: StoreReader,
}

fn encode_header(own: Incarnation, number: u64, count: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(29);
    out.put_u8(HEADER_FORMAT);
    out.put_u64_le(own.storage.0);
    out.put_u64_le(own.boot.0);
    out.put_u64_le(number);
    out.put_u32_le(u32::try_from(count).expect("at most BATCH_COMMANDS_MAX"));
    out.freeze()
}

fn decode_header(bytes: Bytes) -> Result<(Incarnation, u64, u32), DecodeError> {
    let mut r = Reader::new(bytes, "batching header");
    r.version(HEADER_FORMAT)?;
    let own = Incarnation { storage: StorageId(r.u64()?), boot: Boot(r.u64()?) };
    let found = (own, r.u64()?, r.u32()?);
    r.end()?;
    Ok(found)
}

fn encode_payload(commands: &[Bytes]) -> Bytes {
    let mut out = BytesMut::with_capacity(commands.iter().map(|c| 4 + c.len()).sum());
    for command in commands {
        naxos_proto::codec::put_bytes(&mut out, command);
    }
    out.freeze()
}

impl<O: Send + 'static> Batching<O> {
    /// For this life of this storage; `below` is set once the stack is built.
    pub fn new(own: Incarnation, switch: EngineSwitch, below: Below, reader: StoreReader) -> Arc<Self> {
        let gathered = Gathered { waiting: Vec::new(), waiting_bytes: 0, in_flight: BTreeMap::new(), next: 0 };
        Arc::new(Self { own, switch, below, gathered: Mutex::new(gathered), reader })
    }

    /// Proposes a command; the waiter gets its output. It sets out when the waiter's port flushes, or with a batch that
    /// goes before.
    pub fn propose(&self, command: Bytes, waiter: Waiter<Reply<O>>) {
        let port = {
            let mut gathered = self.gathered.lock();
            let full = gathered.waiting.len() >= WAITING_COMMANDS_MAX
                || gathered.waiting_bytes + command.len() > WAITING_BYTES_MAX;
            if full {
                drop(gathered);
                deliver_all([(waiter, Err(ProposeError::Refused(Refusal::Overloaded)))]);
                return;
            }
            let port = Arc::clone(&waiter.port);
            gathered.waiting_bytes += command.len();
            gathered.waiting.push((command, waiter));
            self.may_go(&gathered).then_some(port)
        };
        if let Some(port) = port {
            port.ask_for_flush();
        }
    }

    /// Whether a batch may set out: not while the checkpoint is behind, until [`Self::tend`] hears that it has moved.
    fn may_go(&self, gathered: &Gathered<O>) -> bool {
        gathered.may_go() && !self.reader.is_behind()
    }

    /// Lets commands go on that have waited for the checkpoint, until `stop`.
    pub async fn tend(self: &Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.reader.checkpoint_moved() => self.flush(),
            }
        }
    }

    /// The next batch, if one may go.
    fn take(&self, gathered: &mut Gathered<O>) -> Option<Batch> {
        if !self.may_go(gathered) {
            return None;
        }
        let commands_max = if self.switch.is_on() { BATCH_COMMANDS_MAX } else { 1 };
        let mut bytes = 0;
        let mut count = 0;
        for (command, _) in gathered.waiting.iter().take(commands_max) {
            if count > 0 && bytes + command.len() > BATCH_BYTES_MAX {
                break;
            }
            bytes += command.len();
            count += 1;
        }
        gathered.waiting_bytes -= bytes;
        gathered.next += 1;
        let (commands, waiters) = gathered.waiting.drain(..count).unzip();
        gathered.in_flight.insert(gathered.next, waiters);
        Some(Batch { number: gathered.next, commands })
    }

    fn send(self: &Arc<Self>, Batch { number, commands }: Batch) {
        let mut entry = Entry::new(encode_payload(&commands));
        entry.set_header(engine_ids::BATCHING, encode_header(self.own, number, commands.len()));
        let this = Arc::clone(self);
        let settled = Completion::new(move |outcome| {
            // The waiters of a batch that was applied got their outputs from the upper half.
            if let Err(e) = outcome {
                this.failed(number, e);
            }
        });
        let commands = u32::try_from(commands.len()).expect("at most BATCH_COMMANDS_MAX");
        let below = self.below.get().expect("the stack is built before anything is proposed");
        below.propose(Proposal { entry, commands, settled });
    }

    fn failed(self: &Arc<Self>, number: u64, error: ProposeError) {
        let waiters = self.settled(number).unwrap_or_default();
        deliver_all(waiters.into_iter().map(|w| (w, Err(error.clone()))));
        self.flush();
    }

    fn settled(&self, number: u64) -> Option<Vec<Waiter<Reply<O>>>> {
        self.gathered.lock().in_flight.remove(&number)
    }

    /// Sends what has gathered and may go.
    pub fn flush(self: &Arc<Self>) {
        loop {
            let batch = self.take(&mut self.gathered.lock());
            match batch {
                Some(batch) => self.send(batch),
                None => return,
            }
        }
    }

    /// The upper half, under `application`.
    pub fn upper<P: Application<Output = O>>(self: &Arc<Self>, application: P) -> BatchingApply<P> {
        BatchingApply { application, shared: Arc::clone(self) }
    }

    /// The engine below, for syncs.
    pub fn below(&self) -> &Arc<dyn Engine> {
        self.below.get().expect("the stack is built before anything is asked")
    }

    /// Fails whatever still waits: the node stops.
    pub fn shut(&self) {
        let mut gathered = self.gathered.lock();
        let waiting = std::mem::take(&mut gathered.waiting);
        gathered.waiting_bytes = 0;
        drop(gathered);
        deliver_all(waiting.into_iter().map(|(_, w)| (w, Err(ProposeError::Stopped))));
    }
}

/// The upper half.
pub struct BatchingApply<P: Application> {
    application: P,
    shared: Arc<Batching<P::Output>>,
}

/// What the upper half made of an entry.
pub struct BatchOutput<O> {
    own: Option<u64>,
    outputs: Vec<O>,
}

impl<P: Application> Applicator for BatchingApply<P> {
    type Output = BatchOutput<P::Output>;

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output {
        let Some(header) = entry.header(engine_ids::BATCHING) else {
            return BatchOutput { own: None, outputs: Vec::new() };
        };
        let damaged = |e: DecodeError| -> ! { panic!("the entry at {lsn} cannot be applied: {e}") };
        let (from, number, count) = decode_header(header.clone()).unwrap_or_else(|e| damaged(e));
        let mut commands = Reader::new(entry.payload.clone(), "batch");
        let mut outputs = Vec::with_capacity(count as usize);
        for index in 0..count {
            let command = commands.bytes().unwrap_or_else(|e| damaged(e));
            outputs.push(self.application.apply(txn, lsn, index, command));
        }
        self.application.end_entry(txn);
        BatchOutput { own: (from == self.shared.own).then_some(number), outputs }
    }

    fn post_apply(&mut self, lsn: Lsn, output: Self::Output) {
        self.application.post_apply(lsn);
        if let Some(waiters) = output.own.and_then(|number| self.shared.settled(number)) {
            assert_eq!(waiters.len(), output.outputs.len(), "every command of a batch has a waiter");
            deliver_all(waiters.into_iter().zip(output.outputs.into_iter().map(Ok)));
            self.shared.flush();
        }
        self.application.after_replies();
    }
}
