//! Applies entries in the order of the log.
//!
//! The entries that this process appended itself (own entries) wait in an inbox, ordered by position. The thread that
//! holds the apply lock takes the next ones out of the inbox. A thread that delivers an entry and does not get the lock
//! leaves the entry to the holder, which looks into the inbox once more after it released the lock. So no entry is
//! forgotten, and only one thread applies at a time. Only the apply Worker, and the replay at the start, ever wait for
//! the lock.
//!
//! The apply Worker also follows the log, which brings the entries of other processes ([`super::feed`]). Taking own
//! entries from memory is only a shortcut: without it the log would bring them too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use naxos_client::{LogError, Record, SharedLog};
use naxos_proto::completion::{Completion, ThreadLoad};
use naxos_proto::ids::{EngineId, Lsn};
use naxos_proto::seams::Clock;
use naxos_proto::streams::StreamHeader;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::feed::Feed;
use super::header::{Control, Header, apply_control};
use crate::engine::{Applicator, ApplyCost, EngineSwitch, ProposeError};
use crate::entry::Entry;
use crate::local_store::{LocalStore, StoreReader};
use crate::waiters::Waiters;

/// One read of the log returns about this many bytes at most.
const READ_BYTES: usize = 4 << 20;
/// Time between two attempts to read the log when it cannot be read.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Time between two checks of whether there is room for more entries in memory.
const ROOM_INTERVAL: Duration = Duration::from_millis(20);
/// While an append of this process is on its way, the player waits this long for it before it reads the log.
const OWN_WAIT: Duration = Duration::from_millis(1);

/// An entry that this process appended, and the completion to call when it is applied.
pub(super) struct Own {
    pub(super) entry: Entry,
    pub(super) cost: ApplyCost,
    pub(super) settled: Completion<Result<Lsn, ProposeError>>,
}

struct ApplyState<A> {
    store: LocalStore,
    up: A,
    /// The entry that is being applied. It stays here if apply panics: the engines have in memory that they applied the entry,
    /// but its rows are not there. So nothing more may be applied in this process: the cursor must not pass the entry.
    in_part: Option<Lsn>,
}

impl<A> ApplyState<A> {
    fn check_whole(&self) {
        if let Some(at) = self.in_part {
            panic!("the entry at {at} was applied in part, and an earlier panic says why: nothing more is applied");
        }
    }
}

/// Applies entries in the order of the log; see the module.
pub(super) struct Player<A: Applicator> {
    log: Arc<dyn SharedLog>,
    reader: StoreReader,
    switches: BTreeMap<EngineId, EngineSwitch>,
    clock: Arc<dyn Clock>,
    inbox: Mutex<BTreeMap<Lsn, Own>>,
    /// Number of this process's appends whose outcome is not known yet.
    own_on_the_way: AtomicU64,
    apply: Mutex<ApplyState<A>>,
    /// The highest position that a caller wants the store to reach.
    wanted: AtomicU64,
    /// Whether the apply Worker follows the log. It does not during the replay, because the log would be read twice.
    follows: AtomicBool,
    wake: Notify,
    /// Cancelled when the log does not hold the next entry any more. Only a snapshot helps then.
    behind: CancellationToken,
    /// Callers of [`Self::wait_for`].
    waiters: Mutex<Waiters<Lsn, ()>>,
}

impl<A: Applicator> Player<A> {
    pub(super) fn new(
        log: Arc<dyn SharedLog>,
        store: LocalStore,
        up: A,
        switches: BTreeMap<EngineId, EngineSwitch>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            log,
            reader: store.reader(),
            switches,
            clock,
            own_on_the_way: AtomicU64::new(0),
            inbox: Mutex::new(BTreeMap::new()),
            apply: Mutex::new(ApplyState { store, up, in_part: None }),
            wanted: AtomicU64::new(0),
            follows: AtomicBool::new(false),
            wake: Notify::new(),
            behind: CancellationToken::new(),
            waiters: Mutex::default(),
        })
    }

    /// Notes that an append of this process is on its way. [`Self::deliver`] or [`Self::own_failed`] must follow.
    pub(super) fn own_sets_out(&self) {
        self.own_on_the_way.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that an append of this process failed.
    pub(super) fn own_failed(&self) {
        self.own_on_the_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// Takes an own entry that is durable at `lsn`. Applies it here, or leaves it to the thread that holds the apply lock,
    /// if all entries before it are applied and this does not hold up the thread: no other work waits for it, or the entry
    /// costs little and no other append of this process is on its way. Otherwise leaves it to the apply Worker, which has
    /// to be woken for it.
    pub(super) fn deliver(&self, lsn: Lsn, own: Own, load: ThreadLoad) {
        let cost = own.cost;
        self.inbox.lock().insert(lsn, own);
        let is_last = self.own_on_the_way.fetch_sub(1, Ordering::AcqRel) == 1;
        let most = match load {
            ThreadLoad::Idle => Some(ApplyCost::Unknown),
            ThreadLoad::Busy => Some(cost).filter(|cost| *cost == ApplyCost::Small && is_last),
        };
        match most.filter(|_| lsn <= self.reader.applied()) {
            Some(most) => self.pump(most, || self.apply.try_lock()),
            None => self.ask_for(lsn.next()),
        }
    }

    /// Asks the apply Worker to apply everything below `lsn`.
    pub(super) fn ask_for(&self, lsn: Lsn) {
        self.wanted.fetch_max(lsn.0, Ordering::AcqRel);
        self.wake.notify_one();
    }

    /// Resolves once everything below `lsn` is applied.
    pub(super) async fn wait_for(&self, lsn: Lsn) {
        let reached = {
            let mut waiters = self.waiters.lock();
            if self.reader.applied() >= lsn {
                return;
            }
            waiters.add(lsn)
        };
        // The sender lives as long as this player.
        let _ = reached.await;
    }

    /// If an append of this process is on its way, waits at most [`OWN_WAIT`] until everything below `lsn` is applied.
    /// The append may bring the missing entries, and then the log need not be read.
    pub(super) async fn wait_for_own(&self, lsn: Lsn) {
        if self.own_on_the_way.load(Ordering::Acquire) > 0 {
            tokio::select! {
                biased;
                () = self.wait_for(lsn) => {}
                () = self.clock.sleep(OWN_WAIT) => {}
            }
        }
    }

    /// Applies entries of the inbox as long as the next one is there and costs at most `most`; one that costs more is left
    /// to the apply Worker. Returns early if `lock` yields nothing, because then another thread has the lock and looks into
    /// the inbox.
    fn pump<'a>(&'a self, most: ApplyCost, lock: impl Fn() -> Option<MutexGuard<'a, ApplyState<A>>>) {
        loop {
            {
                let Some(mut state) = lock() else { return };
                while let Some((lsn, own)) = self.next_own(most, &state.up) {
                    // An entry below the cursor was read from the log and applied before its append was acknowledged.
                    if lsn == self.reader.applied() {
                        self.apply_one(&mut state, lsn, &own.entry);
                    }
                    own.settled.complete(Ok(lsn));
                }
            }
            // Another thread may have added the next entry after this thread last looked into the inbox. If it did so
            // while this thread still held the lock, it has left the entry to this thread.
            let applied = self.reader.applied();
            let next = self.inbox.lock().first_key_value().map(|(first, _)| *first);
            match next.filter(|next| *next <= applied) {
                None => return,
                Some(next) if most == ApplyCost::Small => return self.ask_for(next.next()),
                Some(_) => {}
            }
        }
    }

    /// The first entry of the inbox, if everything before it is applied and apply costs at most `most` now.
    fn next_own(&self, most: ApplyCost, up: &A) -> Option<(Lsn, Own)> {
        let mut inbox = self.inbox.lock();
        let first = inbox.first_entry().filter(|first| *first.key() <= self.reader.applied())?;
        let is_cheap = most == ApplyCost::Unknown || first.get().cost == ApplyCost::Small && up.is_free();
        is_cheap.then(|| first.remove_entry())
    }

    fn apply_one(&self, state: &mut ApplyState<A>, lsn: Lsn, entry: &Entry) {
        let header = entry.header(super::INFO.id).cloned().unwrap_or_default();
        let header = Header::decode(header).unwrap_or_else(|e| panic!("the entry at {lsn} cannot be applied: {e}"));
        state.check_whole();
        let ApplyState { store, up, in_part } = state;
        *in_part = Some(lsn);
        let mut txn = store.begin();
        if header.control == Control::None {
            let output = up.apply(&mut txn, lsn, entry);
            txn.commit(lsn.next());
            up.post_apply(lsn, output);
        } else {
            apply_control(&mut txn, lsn, &header.control, &self.switches);
            txn.commit(lsn.next());
        }
        *in_part = None;
        self.tell_waiters(lsn.next());
    }

    fn tell_waiters(&self, applied: Lsn) {
        let mut waiters = self.waiters.lock();
        if !waiters.is_empty() {
            for waiter in waiters.take_due(|lsn| *lsn <= applied) {
                // The waiting caller may be gone.
                let _ = waiter.send(());
            }
        }
    }

    /// Applies everything below `lsn`, and reads from the log what is not in the inbox.
    pub(super) async fn play_to(&self, lsn: Lsn) -> Result<(), LogError> {
        loop {
            self.pump(ApplyCost::Unknown, || Some(self.apply.lock()));
            self.wait_for_own(lsn).await;
            let applied = self.reader.applied();
            if applied >= lsn {
                return Ok(());
            }
            let upper = self.inbox.lock().first_key_value().map_or(lsn, |(first, _)| lsn.min(*first));
            if upper <= applied {
                continue;
            }
            self.wait_for_room().await;
            let (records, next) = self.log.read(applied, upper, READ_BYTES).await?;
            self.apply_records(records, next);
        }
    }

    /// Waits as long as the checkpoint is so far behind that nothing more should be applied. This node then lags, and its
    /// clients go to other nodes. The replay at the start does not wait, so that the node can start on a full disk.
    async fn wait_for_room(&self) {
        if self.follows.load(Ordering::Acquire) && self.reader.is_overfull() {
            tracing::warn!(
                "apply waits: too much is not written to the local store yet, because the disk hangs or is full"
            );
        }
        while self.follows.load(Ordering::Acquire) && self.reader.is_overfull() {
            self.clock.sleep(ROOM_INTERVAL).await;
        }
    }

    /// Applies the entries of the log that are not applied yet, and moves the cursor to `next`.
    fn apply_records(&self, records: Vec<Record>, next: Lsn) {
        let mut state = self.apply.lock();
        for record in records {
            // Entries of programs that use the log directly are not for the stack. The cursor moves past them as past junk.
            if record.lsn < self.reader.applied() || StreamHeader::is_in(&record.payload) {
                continue;
            }
            let entry = Entry::decode(record.payload)
                .unwrap_or_else(|e| panic!("the entry at {} cannot be read: {e}", record.lsn));
            self.skip_to(&mut state, record.lsn);
            self.apply_one(&mut state, record.lsn, &entry);
        }
        self.skip_to(&mut state, next);
    }

    /// Moves the cursor over positions that hold junk.
    fn skip_to(&self, state: &mut ApplyState<A>, lsn: Lsn) {
        if self.reader.applied() < lsn {
            state.check_whole();
            state.store.begin().commit(lsn);
            self.tell_waiters(lsn);
        }
    }

    /// Applies everything up to the wanted position. A read of the log that fails is repeated until it succeeds,
    /// because the callers that wait for the position ask only once.
    async fn play_to_wanted(&self) {
        loop {
            let wanted = Lsn(self.wanted.load(Ordering::Acquire));
            let Err(e) = self.play_to(wanted).await else { return };
            self.note(&e);
            tracing::error!(error = %e, wanted = wanted.0, "the log cannot be played; trying again");
            self.clock.sleep(RETRY_INTERVAL).await;
        }
    }

    /// If the log could not be read because the next entry was trimmed, notes that this node fell behind.
    fn note(&self, error: &LogError) {
        if matches!(error, LogError::Trimmed(_)) {
            self.behind.cancel();
        }
    }

    /// Resolves when the log does not hold the next entry any more.
    pub(super) async fn fell_behind(&self) {
        self.behind.cancelled().await;
    }

    /// Called after the log was replayed. From then on the apply Worker follows the log.
    pub(super) fn follow(&self) {
        self.follows.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The body of the apply Worker: plays up to the wanted position, and applies what other processes append as soon
    /// as it arrives.
    pub(super) async fn run(&self, stop: CancellationToken) {
        let mut feed = Feed::new(Arc::clone(&self.log), Arc::clone(&self.clock), self.reader.clone());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.wake.notified() => drop(stop.run_until_cancelled(self.play_to_wanted()).await),
                item = feed.next(), if self.follows.load(Ordering::Acquire) => match item {
                    Ok((records, next)) => {
                        if stop.run_until_cancelled(self.wait_for_room()).await.is_none() {
                            return;
                        }
                        self.apply_records(records, next);
                        // Own entries that come after these may have arrived meanwhile.
                        self.pump(ApplyCost::Unknown, || Some(self.apply.lock()));
                    }
                    Err(error) => self.note(&error),
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "player_tests.rs"]
mod tests;
