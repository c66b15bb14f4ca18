//! Metrics that are read from the node at each scrape.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::backend::Backend;

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Sets the gauges that never change. The others are set at each scrape, before it reads them.
pub(super) fn install(backend: &Arc<Backend>) {
    backend.metrics.set_server_id(backend.member_id);
    backend.metrics.server.quota_backend_bytes.set(backend.quota().unwrap_or(0));
    backend.metrics.engines.show(backend.stack.observed());
    let node = Arc::downgrade(backend);
    backend.metrics.before_scrape(Box::new(move |_| {
        if let Some(node) = node.upgrade() {
            refresh(&node);
        }
    }));
}

fn refresh(node: &Backend) {
    let metrics = &node.metrics;
    let leader = node.leader();
    metrics.server.has_leader.set(i64::from(leader.is_some()));
    metrics.server.is_leader.set(i64::from(leader.is_some_and(|leader| leader.0 == node.member_id)));
    metrics.server.is_learner.set(i64::from(node.is_learner()));
    let applied = node.reader.applied().0;
    metrics.server.proposals_committed.set(signed(node.log_tail().0));
    metrics.server.proposals_applied.set(signed(applied));
    metrics.server.proposals_pending.set(signed(node.unit.queued()));
    metrics.mvcc.db_total_size.set(signed(node.reader.file_bytes()));
    metrics.mvcc.slow_watchers.set(signed(node.slow_watchers.load(Ordering::Relaxed) as u64));
    let watchers = node.hubs.lock().iter().filter_map(std::sync::Weak::upgrade).map(|h| h.watchers()).sum::<usize>();
    metrics.mvcc.watchers.set(signed(watchers as u64));
    let store = node.store.read();
    metrics.mvcc.db_total_size_in_use.set(store.bytes_in_use());
    metrics.mvcc.keys.set(signed(store.keys.weight() as u64));
    metrics.mvcc.current_revision.set(store.revision);
    metrics.mvcc.compact_revision.set(store.compacted);
}
