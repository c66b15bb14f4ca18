//! The disturbances. Each is extra work for a server that gets puts at the same time. It is repeated until the end of
//! the time window in which the puts are measured.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use super::deeds::Deeds;
use super::lists;
use crate::load::connection::Connection;
use crate::load::keys::Keys;
use crate::load::watcher::Watcher;
use crate::pace;
use crate::servers::Server;

/// Time between two compactions, or two defragmentations.
const REST: Duration = Duration::from_secs(1);

/// A kind of disturbance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Disturbance {
    /// A watcher that starts at an old revision catches up; then the next one does.
    CatchUp,
    /// Compaction to the current revision. The next one begins after the old revisions were removed.
    Compaction,
    /// Defragment.
    Defragment,
    /// Four clients list 160 MB each, again and again.
    Lists,
}

impl Disturbance {
    /// The highest allowed p99 of puts during the disturbance, divided by the p99 without it. `None` if the limit is
    /// the p99 of etcd during the same disturbance.
    pub(super) fn p99_ratio_max(self) -> Option<f64> {
        match self {
            Disturbance::CatchUp => Some(1.25),
            Disturbance::Compaction | Disturbance::Defragment => Some(2.0),
            Disturbance::Lists => None,
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Disturbance::CatchUp => "catch-up",
            Disturbance::Compaction => "compaction",
            Disturbance::Defragment => "defragment",
            Disturbance::Lists => "lists",
        })
    }
}

/// Disturbs `server` until `end`. Lists and watchers that are not finished at `end` are dropped. If a compaction or a
/// Defragment is not finished at `end`, this waits for it.
pub(super) async fn disturb(
    kind: Disturbance,
    server: &Server,
    keys: &Keys,
    backlog: i64,
    end: Instant,
) -> Result<Deeds> {
    if kind == Disturbance::Lists {
        return lists::list_until(server.endpoint(), end).await;
    }
    let mut deeds = Deeds::default();
    while pace::now() < end {
        let begun = pace::now();
        match kind {
            Disturbance::CatchUp => {
                if !catch_up(server, keys, backlog, end, &mut deeds.events).await? {
                    break;
                }
            }
            Disturbance::Compaction => server.compact(server.revision().await?).await?,
            Disturbance::Defragment => server.defragment().await?,
            Disturbance::Lists => unreachable!("done above"),
        }
        deeds.finished += 1;
        deeds.seconds.push(begun.elapsed().as_secs_f64());
        if kind != Disturbance::CatchUp {
            pace::pause(REST.min(end.saturating_duration_since(pace::now()))).await;
        }
    }
    Ok(deeds)
}

/// One watcher catches up from `backlog` revisions ago to the revision that is current now. False if `end` came first.
async fn catch_up(server: &Server, keys: &Keys, backlog: i64, end: Instant, events: &mut u64) -> Result<bool> {
    let current = server.revision().await?;
    let connection = Connection::open(server.endpoint()).await?;
    let mut watcher = Watcher::open(&connection, server.endpoint(), keys, current - backlog).await?;
    let reading = async {
        loop {
            let got = watcher.next().await?;
            *events += got.count();
            if got.last_revision() >= current {
                return anyhow::Ok(());
            }
        }
    };
    pace::within(end.saturating_duration_since(pace::now()), reading).await.transpose().map(|read| read.is_some())
}
