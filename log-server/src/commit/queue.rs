//! [`Queue`]: the commands that wait for the committer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use naxos_proto::contracts::UnitError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::commit::Command;

/// Beyond the bound for stores, this many more commands may wait if they change metadata: a seal must get through.
const METADATA_EXTRA: u64 = 4_096;

/// A batch with at most this many client commands is small.
const FEW_COMMANDS: u64 = 4;

#[derive(Default)]
struct State {
    commands: VecDeque<Command>,
    bytes: u64,
    /// Whether the committer sleeps. Only then does a push have to wake it.
    asleep: bool,
    /// Once set, every push is refused with this error.
    closed: Option<UnitError>,
}

/// A bounded queue with one reader.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Notify,
    /// Number of client commands that wait. Changed under the lock, read without it.
    waiting: AtomicU64,
    /// Number of client commands that the committer took last.
    taken: AtomicU64,
    commands_max: u64,
    bytes_max: u64,
}

impl Queue {
    pub(crate) fn new(commands_max: u64, bytes_max: u64) -> Self {
        let (waiting, taken) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { state: Mutex::default(), wake: Notify::new(), waiting, taken, commands_max, bytes_max }
    }

    /// Whether there is little to do: no client command waits, and the batch that the committer took last had few.
    pub(crate) fn is_quiet(&self) -> bool {
        self.waiting() == 0 && self.taken.load(Ordering::Relaxed) <= FEW_COMMANDS
    }

    /// Number of client commands that the committer has not taken yet.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The number of client commands in the stores that wait, and the largest number that may wait. A store that waits
    /// alone may have more commands than that; it counts as the largest number. Only for probes, because this call
    /// looks at every command that waits.
    pub(crate) fn stores_waiting(&self) -> (u64, u64) {
        let state = self.state.lock();
        let stores: Vec<u64> = state.commands.iter().filter(|c| !c.is_metadata()).map(|c| c.cost().commands).collect();
        let all = stores.iter().sum();
        (if stores.len() == 1 { self.commands_max.min(all) } else { all }, self.commands_max)
    }

    /// Enqueues `command`, or completes it with a refusal at once.
    pub(crate) fn push(&self, command: Command) {
        let cost = command.cost();
        let mut state = self.state.lock();
        let waiting = self.waiting();
        let extra = if command.is_metadata() { METADATA_EXTRA } else { 0 };
        let over = waiting + cost.commands > self.commands_max + extra && waiting > 0;
        let heavy = state.bytes + cost.bytes > self.bytes_max && state.bytes > 0 && !command.is_metadata();
        let refusal = state.closed.clone().or_else(|| (over || heavy).then_some(UnitError::Overloaded));
        if let Some(error) = refusal {
            drop(state);
            return command.refuse(error);
        }
        state.commands.push_back(command);
        state.bytes += cost.bytes;
        self.waiting.store(waiting + cost.commands, Ordering::Relaxed);
        if std::mem::take(&mut state.asleep) {
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Waits until something is queued; false once the queue is closed and empty. One caller at a time.
    pub(crate) async fn wait(&self) -> bool {
        loop {
            {
                let mut state = self.state.lock();
                if !state.commands.is_empty() {
                    return true;
                }
                if state.closed.is_some() {
                    return false;
                }
                state.asleep = true;
            }
            self.wake.notified().await;
        }
    }

    /// Takes commands in order, as many as fit into `bytes_max` bytes. Takes the first one even if it is larger.
    pub(crate) fn take(&self, bytes_max: u64, into: &mut Vec<Command>) {
        let mut state = self.state.lock();
        let (mut commands, mut bytes) = (0, 0);
        while let Some(cost) = state.commands.front().map(Command::cost) {
            if bytes + cost.bytes > bytes_max && bytes > 0 {
                break;
            }
            bytes += cost.bytes;
            commands += cost.commands;
            into.extend(state.commands.pop_front());
        }
        state.bytes -= bytes;
        self.waiting.store(self.waiting() - commands, Ordering::Relaxed);
        self.taken.store(commands, Ordering::Relaxed);
    }

    /// From now on, refuses every push with `error`. What is queued stays. Only the first call has an effect.
    pub(crate) fn close(&self, error: UnitError) {
        self.state.lock().closed.get_or_insert(error);
        self.wake.notify_one();
    }

    /// Takes everything that is queued, for a committer that stops.
    pub(crate) fn drain(&self) -> Vec<Command> {
        let mut all = Vec::new();
        self.take(u64::MAX, &mut all);
        all
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::completion::Completion;
    use naxos_proto::contracts::Purpose;
    use naxos_proto::ids::{Incarnation, LogletId, Offset};

    use super::*;

    fn trim() -> Command {
        Command::Trim(LogletId::default(), Offset(1), Completion::new(|_| ()))
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_an_emptied_queue_accepts_again() {
        let queue = Queue::new(2, 1_000);
        let store = || {
            let (done, outcome) = Completion::channel();
            let purpose = Purpose::Append { known_tail: Offset(0) };
            let command = Command::Fill(LogletId::default(), Incarnation::default(), Offset(0), purpose, done);
            queue.push(command);
            outcome
        };
        let (_a, _b, c) = (store(), store(), store());
        assert_eq!(c.await, Err(UnitError::Overloaded));
        queue.push(trim());
        assert_eq!(queue.waiting(), 3, "metadata still gets through");
        assert_eq!(queue.stores_waiting(), (2, 2));
        let mut taken = Vec::new();
        queue.take(1_000, &mut taken);
        assert_eq!((taken.len(), queue.waiting()), (3, 0));
        queue.push(trim());
        assert!(queue.wait().await);
        queue.close(UnitError::Stopped);
        assert!(queue.wait().await, "what is queued is still done");
        assert_eq!(queue.drain().len(), 1);
        assert!(!queue.wait().await);
    }
}
