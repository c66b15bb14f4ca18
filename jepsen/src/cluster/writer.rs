//! [`Writer`]: a client that writes through all members, one at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use naxos_benches::cluster::any_endpoint::{AnyEndpoint, Failure};
use naxos_benches::cluster::gaps::Gaps;
use naxos_benches::load::connection::Endpoint;
use naxos_proto::etcd::client::etcdserverpb::PutRequest;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::kill_loop::writes::{Acknowledged, KEYS_PER_WRITER, Written, key, value};
use crate::pace;

/// How long a client waits for an answer before it goes to the next member, if members are hit by faults.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// How long a client waits after an error.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// How long it waits for an answer before it goes to the next member.
    pub patience: Duration,
    /// How long it rests after a write.
    pub rest: Duration,
}

impl Habits {
    /// A client that waits this long for an answer, and never rests.
    pub fn restless(patience: Duration) -> Self {
        Self { patience, rest: Duration::ZERO }
    }
}

/// When a client goes on as another writer, the number of that writer is higher by this.
const NEXT_WRITER: u32 = 100;

/// What a client has done.
#[derive(Debug, Default)]
pub struct Done {
    pub written: Vec<Written>,
    /// The errors that it was told.
    pub errors: Vec<String>,
}

/// See the module. It writes the next number after each answer, good or bad.
///
/// A put without an answer may be done much later, for example when a member that was frozen goes on. So its key is not
/// written again. When few keys are left, the client goes on as another writer.
#[derive(Debug)]
pub struct Writer(JoinHandle<Done>);

impl Writer {
    /// Begins to write, as writer `number`, until `stop`.
    pub fn start(
        runtime: &Runtime,
        number: u32,
        urls: Vec<String>,
        habits: Habits,
        gaps: Arc<Gaps>,
        stop: CancellationToken,
    ) -> Writer {
        Writer(runtime.spawn(async move { write(number, &urls, habits, &gaps, &stop).await }))
    }

    /// What the writer has done. It must have been stopped.
    ///
    /// # Errors
    /// If the writer panicked.
    pub async fn join(self) -> anyhow::Result<Done> {
        self.0.await.context("a writer")
    }
}

async fn write(client_number: u32, urls: &[String], habits: Habits, gaps: &Gaps, stop: &CancellationToken) -> Done {
    let Habits { patience, rest } = habits;
    let endpoint = |url: &String| url.parse::<Endpoint>().expect("a URL of a member");
    let mut client = AnyEndpoint::new(urls.iter().map(endpoint).collect(), client_number as usize, patience);
    let mut done = Done { written: vec![Written { writer: client_number, ..Written::default() }], errors: Vec::new() };
    let mut unsettled = BTreeSet::new();
    while !stop.is_cancelled() {
        if unsettled.len() as u64 > KEYS_PER_WRITER / 2 {
            unsettled.clear();
            let writer = done.written.last().map_or(client_number, |written| written.writer + NEXT_WRITER);
            done.written.push(Written { writer, ..Written::default() });
        }
        let written = done.written.last_mut().expect("there is a writer");
        let (writer, number) = (written.writer, written.next);
        written.next += 1;
        if unsettled.contains(&(number % KEYS_PER_WRITER)) {
            continue;
        }
        let put = PutRequest { key: key(writer, number).into(), value: value(number).into(), ..PutRequest::default() };
        match client.put(put).await {
            Ok(revision) => {
                gaps.wrote(client_number as usize);
                written.acknowledged.push(Acknowledged { writer, number, revision });
                if !rest.is_zero() {
                    pace::pause(rest).await;
                }
                continue;
            }
            // Nothing was sent: a client library goes to the next member without telling anyone.
            Err(Failure::NotSent(_)) => {}
            Err(Failure::Error(error)) => {
                done.errors.push(error);
                unsettled.insert(number % KEYS_PER_WRITER);
            }
        }
        pace::pause(AFTER_ERROR).await;
    }
    done
}
