//! The watchers whose streams one RPC runtime serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use naxos_proto::etcd::twins::WatchResponse;
use naxos_proto::seams::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::packet::{Packet, PacketBuilder};
use super::ranges::{GroupId, Ranges};
use super::ring::Ring;
use super::watcher::{Selection, Watcher, Way};
use crate::state::kv::store_reads::StoreReads;
use crate::state::{Effects, SharedStore};

/// The number of a watcher in its hub.
pub(super) type WatcherId = u64;

/// What a hub needs.
pub struct HubConfig {
    /// Apply puts the effects of each entry in here.
    pub ring: Arc<Ring>,
    /// The store whose history is read.
    pub store: Arc<SharedStore>,
    /// Reads history on a thread of its own.
    pub cold: StoreReads,
    /// Measures the time between notifications, and the pace at which history is read.
    pub clock: Arc<dyn Clock>,
    /// The time between two progress notifications.
    pub progress_interval: Duration,
    /// The size of a fragment in bytes: that of the largest request, plus the overhead of a gRPC message.
    pub fragment_bytes: usize,
    /// How many watchers read history, for the metrics.
    pub slow_watchers: Arc<AtomicUsize>,
}

/// A hub's watchers.
#[derive(Default)]
pub(super) struct State {
    /// The newest revision taken out of the ring. Live watchers have been shown all revisions up to this one.
    pub(super) seen: i64,
    pub(super) watchers: BTreeMap<WatcherId, Watcher>,
    next_watcher: WatcherId,
    next_stream: u64,
    /// For each selection of a live watcher, the group of the live watchers that have it.
    groups: BTreeMap<Selection, GroupId>,
    members: BTreeMap<GroupId, (Selection, BTreeSet<WatcherId>)>,
    next_group: GroupId,
    /// The ranges of all groups.
    ranges: Ranges,
    /// The watchers that read history.
    pub(super) behind: BTreeSet<WatcherId>,
}

/// See the module.
pub struct Hub {
    pub(super) config: HubConfig,
    pub(super) state: Mutex<State>,
    pub(super) fell_behind: Notify,
}

impl Hub {
    /// A hub. The caller has to run it on its runtime: see [`Self::run`].
    pub fn new(config: HubConfig) -> Arc<Self> {
        Arc::new(Self { config, state: Mutex::new(State::default()), fell_behind: Notify::new() })
    }

    /// Delivers events, lets watchers catch up and sends progress notifications, until `stop` is cancelled.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.deliver_always() => {}
            () = self.catch_up_always() => {}
            () = self.notify_always() => {}
        }
    }

    async fn deliver_always(&self) {
        loop {
            self.config.ring.wait().await;
            self.drain(&mut self.state.lock());
        }
    }

    async fn notify_always(&self) {
        loop {
            self.config.clock.sleep(self.config.progress_interval).await;
            let mut state = self.state.lock();
            self.drain(&mut state);
            let State { watchers, behind, seen, .. } = &mut *state;
            for (id, watcher) in watchers.iter_mut().filter(|(_, w)| w.progress_notify) {
                if !std::mem::take(&mut watcher.busy) && !behind.contains(id) && *seen >= watcher.start {
                    // If the stream is full, answers are on their way to the client, which then needs no notification.
                    let _ = watcher.outlet.try_send(Ok(watcher.answer(*seen).into()));
                }
            }
        }
    }

    /// Takes all entries out of the ring and sends their events to the live watchers.
    pub(super) fn drain(&self, state: &mut State) {
        let taken = self.config.ring.take();
        if taken.overflowed {
            // Revisions after `seen` are missing from the ring: all live watchers have to read them from history.
            let live: Vec<_> = state.watchers.keys().copied().filter(|id| !state.behind.contains(id)).collect();
            for id in live {
                self.fall_behind(state, id, state.seen + 1);
            }
        } else {
            for entry in &taken.entries {
                self.deliver(state, entry);
            }
        }
        state.seen = state.seen.max(taken.newest);
    }

    /// Sends the events of an entry to the live watchers.
    fn deliver(&self, state: &mut State, entry: &[Effects]) {
        let mut built: BTreeMap<GroupId, PacketBuilder> = BTreeMap::new();
        for effects in entry {
            for effect in &effects.changes {
                let State { ranges, members, .. } = state;
                ranges.find(&effect.key, |group| {
                    let selection = &members[&group].0;
                    if selection.wants(effect.deleted) {
                        built.entry(group).or_default().add(effects.revision, effect, selection.prev_kv);
                    }
                });
            }
        }
        for (group, builder) in built {
            let packets = builder.finish();
            let ids: Vec<_> = state.members[&group].1.iter().copied().collect();
            for id in ids {
                self.deliver_to(state, id, &packets, entry);
            }
        }
    }

    fn deliver_to(&self, state: &mut State, id: WatcherId, packets: &[Packet], entry: &[Effects]) {
        let Some(watcher) = state.watchers.get_mut(&id) else { return };
        for packet in packets {
            let sent = if packet.first >= watcher.next {
                watcher.send(packet, packet.last, self.config.fragment_bytes)
            } else if packet.last < watcher.next {
                true
            } else {
                // The watcher's next revision lies within the packet. So the rest of the packet is encoded for this
                // watcher alone.
                let rest = rest_of(&watcher.selection, packet, watcher.next, entry);
                rest.iter().all(|rest| watcher.send(rest, rest.last, self.config.fragment_bytes))
            };
            if !sent {
                // The watcher has been shown everything before this packet.
                self.fall_behind(state, id, packet.first);
                return;
            }
        }
    }

    /// Makes a live or new watcher read history. `unseen` is the first revision that it has not been shown.
    pub(super) fn fall_behind(&self, state: &mut State, id: WatcherId, unseen: i64) {
        let Some(watcher) = state.watchers.get_mut(&id) else { return };
        watcher.next = watcher.next.max(unseen);
        watcher.way = Way::Index;
        let selection = watcher.selection.clone();
        state.leave_group(&selection, id);
        if state.behind.insert(id) {
            self.config.slow_watchers.fetch_add(1, Ordering::Relaxed);
            self.fell_behind.notify_one();
        }
    }

    /// Lets a watcher be live. The watcher has caught up, or it is new and starts after `seen`.
    pub(super) fn go_live(&self, state: &mut State, id: WatcherId) {
        let Some(watcher) = state.watchers.get(&id) else { return };
        let selection = watcher.selection.clone();
        state.join_group(selection, id);
        if state.behind.remove(&id) {
            self.config.slow_watchers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Returns a number for a new stream.
    pub(super) fn new_stream(&self) -> u64 {
        let mut state = self.state.lock();
        state.next_stream += 1;
        state.next_stream
    }

    /// Adds a watcher: as live, or as behind if its `next` lies in the past.
    pub(super) fn add(&self, state: &mut State, watcher: Watcher) -> WatcherId {
        if state.watchers.is_empty() {
            state.seen = self.config.ring.set_active(true);
        }
        state.next_watcher += 1;
        let id = state.next_watcher;
        let next = watcher.next;
        state.watchers.insert(id, watcher);
        if next > state.seen {
            self.go_live(state, id);
        } else {
            self.fall_behind(state, id, next);
        }
        id
    }

    /// Removes a watcher.
    pub(super) fn remove(&self, state: &mut State, id: WatcherId) {
        let Some(watcher) = state.watchers.remove(&id) else { return };
        state.leave_group(&watcher.selection, id);
        if state.behind.remove(&id) {
            self.config.slow_watchers.fetch_sub(1, Ordering::Relaxed);
        }
        if state.watchers.is_empty() {
            self.config.ring.set_active(false);
        }
    }

    /// The answer to a manual progress request on `stream`. There is none if the stream has no watchers, or while one
    /// of its watchers reads history or starts at a revision that the hub has not seen yet.
    pub(super) fn progress_of(&self, state: &mut State, stream: u64) -> Option<WatchResponse> {
        self.drain(state);
        let mut own = state.watchers.iter().filter(|(_, w)| w.stream == stream).peekable();
        let (_, any) = own.peek()?;
        let mut answer = any.answer(state.seen);
        answer.watch_id = -1;
        own.all(|(id, w)| !state.behind.contains(id) && state.seen >= w.start).then_some(answer)
    }

    /// How many watchers this hub has.
    pub fn watchers(&self) -> usize {
        self.state.lock().watchers.len()
    }
}

/// The events of a packet from revision `next` on.
fn rest_of(selection: &Selection, packet: &Packet, next: i64, entry: &[Effects]) -> Vec<Packet> {
    let mut rest = PacketBuilder::default();
    let revisions = next.max(packet.first)..=packet.last;
    for effects in entry.iter().filter(|effects| revisions.contains(&effects.revision)) {
        for effect in &effects.changes {
            if selection.range.contains(&effect.key) && selection.wants(effect.deleted) {
                rest.add(effects.revision, effect, selection.prev_kv);
            }
        }
    }
    rest.finish()
}

impl State {
    fn join_group(&mut self, selection: Selection, id: WatcherId) {
        let group = match self.groups.get(&selection) {
            Some(group) => *group,
            None => {
                self.next_group += 1;
                self.groups.insert(selection.clone(), self.next_group);
                self.ranges.insert(selection.range.clone(), self.next_group);
                self.members.insert(self.next_group, (selection, BTreeSet::new()));
                self.next_group
            }
        };
        self.members.get_mut(&group).expect("groups have members").1.insert(id);
    }

    fn leave_group(&mut self, selection: &Selection, id: WatcherId) {
        let Some(group) = self.groups.get(selection).copied() else { return };
        let (_, members) = self.members.get_mut(&group).expect("groups have members");
        members.remove(&id);
        if members.is_empty() {
            self.members.remove(&group);
            self.groups.remove(selection);
            self.ranges.remove(&selection.range, group);
        }
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
