//! The lower half: gathers commands into batches, and keeps the callers that wait for their outputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::Refusal;
use naxos_proto::ids::Incarnation;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::INFO;
use super::application::Reply;
use super::header::{encode_header, encode_payload};
use crate::engine::{ApplyCost, Below, EngineSwitch, Proposal, ProposeError};
use crate::entry::Entry;
use crate::local_store::StoreReader;
use crate::reply_port::{Waiter, deliver_all};

/// At most this many batches may be on their way at once. Further commands gather until one comes back.
const IN_FLIGHT_MAX: usize = 2;
/// The second batch must have this many times the commands of the first one, or [`BATCH_BYTES_MAX`] bytes. In a cluster
/// each entry costs about 0.7 ms of CPU, whatever it holds. So a large number of small batches is expensive.
const SECOND_BATCH_TIMES: usize = 2;
/// Most commands in one entry.
const BATCH_COMMANDS_MAX: usize = 4_096;
/// Most bytes in one entry, unless a single command is larger.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// A batch with at most this many cheap commands, and at most this many bytes, is cheap itself.
const SMALL_COMMANDS_MAX: usize = 4;
const SMALL_BYTES_MAX: usize = 64 << 10;
/// Most commands that may wait for batches to come back or for the checkpoint. Further commands are refused.
const WAITING_COMMANDS_MAX: usize = 16_384;
/// Most bytes that may wait in such commands.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// A command that waits for its batch.
struct Gathering<O> {
    command: Bytes,
    cost: ApplyCost,
    waiter: Waiter<Reply<O>>,
}

struct Gathered<O> {
    waiting: Vec<Gathering<O>>,
    waiting_bytes: usize,
    in_flight: BTreeMap<u64, Vec<Waiter<Reply<O>>>>,
    next: u64,
}

impl<O> Gathered<O> {
    /// Whether the waiting commands make a batch that may be sent now.
    fn may_go(&self) -> bool {
        let enough = match self.in_flight.len() {
            0 => 1,
            IN_FLIGHT_MAX.. => return false,
            _ => SECOND_BATCH_TIMES * self.in_flight.values().map(Vec::len).min().unwrap_or(1),
        };
        self.waiting.len() >= enough || self.waiting_bytes >= BATCH_BYTES_MAX
    }
}

/// Commands that are sent together in one entry.
struct Batch {
    number: u64,
    commands: Vec<Bytes>,
    cost: ApplyCost,
}

/// The lower half of the engine. The upper half shares it.
pub struct Batching<O> {
    pub(super) own: Incarnation,
    switch: EngineSwitch,
    below: Below,
    gathered: Mutex<Gathered<O>>,
    reader: StoreReader,
}

impl<O: Send + 'static> Batching<O> {
    /// Makes the lower half for the process `own`. `below` may be set later, when the stack is built.
    pub fn new(own: Incarnation, switch: EngineSwitch, below: Below, reader: StoreReader) -> Arc<Self> {
        let gathered = Gathered { waiting: Vec::new(), waiting_bytes: 0, in_flight: BTreeMap::new(), next: 0 };
        Arc::new(Self { own, switch, below, gathered: Mutex::new(gathered), reader })
    }

    /// Proposes a command. Its output goes to `waiter`. If a batch may be sent now, asks the waiter's port to flush,
    /// which sends the command. A flush of another port may send it earlier. If no batch may be sent now, the command
    /// is sent later: when enough commands wait, when a batch came back, or when the checkpoint caught up.
    pub fn propose(&self, command: Bytes, cost: ApplyCost, waiter: Waiter<Reply<O>>) {
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
            gathered.waiting.push(Gathering { command, cost, waiter });
            self.may_go(&gathered).then_some(port)
        };
        if let Some(port) = port {
            port.ask_for_flush();
        }
    }

    /// Whether a batch may be sent now. While the checkpoint is behind, none may. [`Self::tend`] sends the commands
    /// after the checkpoint has caught up.
    fn may_go(&self, gathered: &Gathered<O>) -> bool {
        gathered.may_go() && !self.reader.is_behind()
    }

    /// Sends the commands that had to wait for the checkpoint, until `stop`.
    pub async fn tend(self: &Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.reader.checkpoint_moved() => self.flush(),
            }
        }
    }

    /// Takes the next batch, if one may be sent.
    fn take(&self, gathered: &mut Gathered<O>) -> Option<Batch> {
        if !self.may_go(gathered) {
            return None;
        }
        let commands_max = if self.switch.is_on() { BATCH_COMMANDS_MAX } else { 1 };
        let mut bytes = 0;
        let mut count = 0;
        for Gathering { command, .. } in gathered.waiting.iter().take(commands_max) {
            if count > 0 && bytes + command.len() > BATCH_BYTES_MAX {
                break;
            }
            bytes += command.len();
            count += 1;
        }
        gathered.waiting_bytes -= bytes;
        gathered.next += 1;
        let is_small = count <= SMALL_COMMANDS_MAX
            && bytes <= SMALL_BYTES_MAX
            && gathered.waiting[..count].iter().all(|gathering| gathering.cost == ApplyCost::Small);
        let cost = if is_small { ApplyCost::Small } else { ApplyCost::Unknown };
        let taken = gathered.waiting.drain(..count).map(|Gathering { command, waiter, .. }| (command, waiter));
        let (commands, waiters) = taken.unzip();
        gathered.in_flight.insert(gathered.next, waiters);
        Some(Batch { number: gathered.next, commands, cost })
    }

    fn send(self: &Arc<Self>, Batch { number, commands, cost }: Batch) {
        let mut entry = Entry::new(encode_payload(&commands));
        entry.set_header(INFO.id, encode_header(self.own, number, commands.len()));
        let this = Arc::clone(self);
        let settled = Completion::new(move |outcome| {
            // If the batch was applied, the upper half has given the outputs to the waiters.
            if let Err(e) = outcome {
                this.failed(number, e);
            }
        });
        let commands = u32::try_from(commands.len()).expect("at most BATCH_COMMANDS_MAX");
        let below = self.below.get().expect("the stack is built before anything is proposed");
        below.propose(Proposal { entry, commands, cost, settled });
    }

    fn failed(self: &Arc<Self>, number: u64, error: ProposeError) {
        let waiters = self.settled(number).unwrap_or_default();
        deliver_all(waiters.into_iter().map(|w| (w, Err(error.clone()))));
        self.flush();
    }

    pub(super) fn settled(&self, number: u64) -> Option<Vec<Waiter<Reply<O>>>> {
        self.gathered.lock().in_flight.remove(&number)
    }

    /// Sends the gathered commands, as far as they may be sent.
    pub fn flush(self: &Arc<Self>) {
        loop {
            let batch = self.take(&mut self.gathered.lock());
            match batch {
                Some(batch) => self.send(batch),
                None => return,
            }
        }
    }

    /// Fails all commands that still wait, because the node stops.
    pub fn shut(&self) {
        let mut gathered = self.gathered.lock();
        let waiting = std::mem::take(&mut gathered.waiting);
        gathered.waiting_bytes = 0;
        drop(gathered);
        deliver_all(waiting.into_iter().map(|gathering| (gathering.waiter, Err(ProposeError::Stopped))));
    }
}
