//! One RPC runtime's watchers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use naxos_proto::etcd::twins::WatchResponse;
use naxos_proto::seams::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::ranges::{GroupId, Ranges};
use super::ring::Ring;
use super::watcher::{Packet, PacketBuilder, Selection, Watcher};
use crate::state::cold_reader::ColdReader;
use crate::state::{Effects, SharedStore};

/// A packet of about this many bytes is closed at the end of its revision.
pub(super) const PACKET_BYTES: usize = 1 << 20;

/// Number of a watcher in its hub.
pub(super) type WatcherId = u64;

/// What a hub needs.
pub struct HubConfig {
    /// Effects come from here.
    pub ring: Arc<Ring>,
    /// For history.
    pub store: Arc<SharedStore>,
    /// Reads history.
    pub cold: ColdReader,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Between two progress notifications.
    pub progress_interval: Duration,
    /// A fragment's size: the largest request and a gRPC message's overhead.
    pub fragment_bytes: usize,
    /// Watchers that read history, for metrics.
    pub slow_watchers: Arc<AtomicUsize>,
}

#[derive(Default)]
pub(super) struct State {
    /// The newest revision taken out of the ring.
    pub(super) seen: i64,
    pub(super) watchers: BTreeMap<WatcherId, Watcher>,
    next_watcher: WatcherId,
    next_stream: u64,
    groups: BTreeMap<Selection, GroupId>,
    members: BTreeMap<GroupId, (Selection, BTreeSet<WatcherId>)>,
    next_group: GroupId,
    ranges: Ranges,
    /// Watchers that read history.
    pub(super) behind: BTreeSet<WatcherId>,
}

/// See the module.
pub struct Hub {
    pub(super) config: HubConfig,
    pub(super) state: Mutex<State>,
    pub(super) fell_behind: Notify,
}

impl Hub {
    /// A hub whose tasks have still to be run on its runtime.
    pub fn new(config: HubConfig) -> Arc<Self> {
        Arc::new(Self { config, state: Mutex::new(State::default()), fell_behind: Notify::new() })
    }

    /// Delivers, catches up and notifies, until `stop`.
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
                    // A full stream has news on its way: it needs no progress.
                    let _ = watcher.outlet.try_send(Ok(watcher.answer(*seen).into()));
                }
            }
        }
    }

    /// Sends what the ring has.
    pub(super) fn drain(&self, state: &mut State) {
        let taken = self.config.ring.take();
        if taken.overflowed {
            let live: Vec<_> = state.watchers.keys().copied().filter(|id| !state.behind.contains(id)).collect();
            for id in live {
                self.fall_behind(state, id);
            }
        }
        for entry in &taken.entries {
            if !taken.overflowed {
                self.deliver(state, entry);
            }
        }
        state.seen = state.seen.max(taken.newest);
    }

    fn deliver(&self, state: &mut State, entry: &[Effects]) {
        let mut packets: BTreeMap<GroupId, Vec<PacketBuilder>> = BTreeMap::new();
        for effects in entry {
            for effect in &effects.changes {
                let State { ranges, members, .. } = state;
                ranges.find(&effect.key, |group| {
                    let selection = &members[&group].0;
                    if !selection.wants(effect.deleted) {
                        return;
                    }
                    let built = packets.entry(group).or_default();
                    let full = |b: &PacketBuilder| b.bytes() >= PACKET_BYTES && b.last() < effects.revision;
                    if built.last().is_none_or(full) {
                        built.push(PacketBuilder::default());
                    }
                    let builder = built.last_mut().expect("just made sure");
                    builder.add(effects.revision, effect, selection.prev_kv);
                });
            }
        }
        for (group, built) in packets {
            let packets: Vec<Packet> = built.into_iter().filter_map(PacketBuilder::finish).collect();
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
                // It asked for a revision in the middle: this one gets its own encoding.
                let rest = rest_of(&watcher.selection, packet, watcher.next, entry);
                rest.is_none_or(|rest| watcher.send(&rest, rest.last, self.config.fragment_bytes))
            };
            if !sent {
                self.fall_behind(state, id);
                return;
            }
        }
    }

    /// Turns a live watcher to reading history.
    pub(super) fn fall_behind(&self, state: &mut State, id: WatcherId) {
        let Some(watcher) = state.watchers.get(&id) else { return };
        let selection = watcher.selection.clone();
        state.leave_group(&selection, id);
        if state.behind.insert(id) {
            self.config.slow_watchers.fetch_add(1, Ordering::Relaxed);
            self.fell_behind.notify_one();
        }
    }

    /// Turns a watcher that has caught up to the live set.
    pub(super) fn go_live(&self, state: &mut State, id: WatcherId) {
        let Some(watcher) = state.watchers.get(&id) else { return };
        let selection = watcher.selection.clone();
        state.join_group(selection, id);
        if state.behind.remove(&id) {
            self.config.slow_watchers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A number for a new stream.
    pub(super) fn new_stream(&self) -> u64 {
        let mut state = self.state.lock();
        state.next_stream += 1;
        state.next_stream
    }

    /// Takes a watcher in. Its `next` may lie in the past.
    pub(super) fn add(&self, state: &mut State, watcher: Watcher) -> WatcherId {
        if state.watchers.is_empty() {
            state.seen = self.config.ring.set_active(true);
        }
        state.next_watcher += 1;
        let id = state.next_watcher;
        let live = watcher.next > state.seen;
        state.watchers.insert(id, watcher);
        if live {
            self.go_live(state, id);
        } else {
            self.fall_behind(state, id);
        }
        id
    }

    /// Lets a watcher go.
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

    /// The answer to a manual progress request on `stream`; none while one of its watchers is not up to date, or if it
    /// has none.
    pub(super) fn progress_of(&self, state: &mut State, stream: u64) -> Option<WatchResponse> {
        self.drain(state);
        let mut own = state.watchers.iter().filter(|(_, w)| w.stream == stream).peekable();
        let (_, any) = own.peek()?;
        let mut answer = any.answer(state.seen);
        answer.watch_id = -1;
        own.all(|(id, w)| !state.behind.contains(id) && state.seen >= w.start).then_some(answer)
    }

    /// Watchers of this hub.
    pub fn watchers(&self) -> usize {
        self.state.lock().watchers.len()
    }
}

/// Events of a packet from revision `next` on.
fn rest_of(selection: &Selection, packet: &Packet, next: i64, entry: &[Effects]) -> Option<Packet> {
    let mut rest = PacketBuilder::default();
    for effects in
        entry.iter().filter(|e| e.revision >= next && e.revision >= packet.first && e.revision <= packet.last)
    {
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
