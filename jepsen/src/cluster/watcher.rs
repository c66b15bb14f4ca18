//! [`Watcher`]: a client that watches all writes on one member.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use naxos_proto::etcd::client::etcdserverpb::watch_client::WatchClient;
use naxos_proto::etcd::client::etcdserverpb::watch_request::RequestUnion;
use naxos_proto::etcd::client::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tonic::transport::Endpoint;

use crate::kill_loop::ledger::Ledger;
use crate::pace;

/// How long a watcher may take to see the last write.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(30);
/// How long a watch waits before it begins again after a failure.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct Seen {
    /// The revision from which the watch began.
    from: i64,
    revisions: BTreeSet<i64>,
    /// The first thing that was wrong.
    wrong: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Watcher {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Watches all that the writers write from the first revision on, without an end.
    pub fn start(runtime: &Runtime, url: String) -> Watcher {
        Self::start_at(runtime, url, "writer", 1)
    }

    /// Watches the keys below `folder` from this revision on, which may be in the future.
    pub fn start_at(runtime: &Runtime, url: String, folder: &'static str, from: i64) -> Watcher {
        let seen = Arc::new(Mutex::new(Seen { from, ..Seen::default() }));
        let kept = Arc::clone(&seen);
        let task = runtime.spawn(async move {
            loop {
                // A member that is away ends the watch. The next watch goes on after the last event.
                let _ = watch(&url, folder, &kept).await;
                pace::pause(AFTER_FAILURE).await;
            }
        });
        Watcher { seen, task }
    }

    /// Waits until the watcher has seen revision `last`, and returns the revisions of all events.
    ///
    /// # Errors
    /// If the watcher does not see this revision within `limit`, or if it saw an event twice or out of order.
    pub fn finish(self, runtime: &Runtime, last: i64, limit: Duration) -> anyhow::Result<BTreeSet<i64>> {
        let has_seen = || self.seen.lock().revisions.last().is_some_and(|newest| *newest >= last).then_some(());
        let outcome = pace::wait_for(limit, has_seen);
        self.task.abort();
        let _ = runtime.block_on(self.task);
        let seen = std::mem::take(&mut *self.seen.lock());
        if let Some(wrong) = seen.wrong {
            return Err(anyhow!(wrong));
        }
        let newest = seen.revisions.last().copied().unwrap_or(0);
        ensure!(outcome.is_some(), "the newest event is of revision {newest}, the last write was revision {last}");
        Ok(seen.revisions)
    }
}

/// Checks that the watchers on the members at `urls` have seen all writes of the ledger.
///
/// # Errors
/// If one of them has not, or if its events came twice or in another order.
pub(super) fn are_whole(
    runtime: &Runtime,
    watchers: Vec<Watcher>,
    urls: &[String],
    ledger: &Ledger,
) -> anyhow::Result<()> {
    let last = ledger.revisions().max().unwrap_or(0);
    for (watcher, url) in watchers.into_iter().zip(urls) {
        let seen = watcher.finish(runtime, last, CATCH_UP_LIMIT).with_context(|| format!("the watch on {url}"))?;
        let missed = ledger.revisions().filter(|revision| !seen.contains(revision)).count();
        ensure!(missed == 0, "the watch on {url} missed {missed} of {} acknowledged writes", ledger.acknowledged());
    }
    Ok(())
}

async fn watch(url: &str, folder: &str, seen: &Mutex<Seen>) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(url.to_owned())?.connect().await?;
    let from = {
        let seen = seen.lock();
        seen.revisions.last().map_or(seen.from, |newest| newest + 1)
    };
    let create = WatchCreateRequest {
        key: format!("{folder}/").into(),
        range_end: format!("{folder}0").into(),
        start_revision: from,
        ..WatchCreateRequest::default()
    };
    let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let requests = tokio_stream::once(request).chain(tokio_stream::pending());
    let mut answers = WatchClient::new(channel).max_decoding_message_size(64 << 20).watch(requests).await?.into_inner();
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        ensure!(!answer.canceled, "the watch was cancelled: {}", answer.cancel_reason);
        take(&answer, &mut seen.lock());
    }
    Ok(())
}

fn take(answer: &WatchResponse, seen: &mut Seen) {
    for event in &answer.events {
        let revision = event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
        let newest = seen.revisions.last().copied().unwrap_or(seen.from - 1);
        if revision <= newest && seen.wrong.is_none() {
            seen.wrong =
                Some(format!("an event of revision {revision} came, but only events above revision {newest} may come"));
        }
        seen.revisions.insert(revision);
    }
}
