//! [`Writers`]: clients that write without pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use naxos_proto::etcd::client::etcdserverpb as pb;
use parking_lot::Mutex;

use super::any_endpoint::{AnyEndpoint, Failure};
use super::gaps::Gaps;
use crate::load::connection::Endpoint;
use crate::load::keys::{Keys, Values};
use crate::pace;

/// How long a client waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_millis(5);

/// Number of keys of each client.
const KEYS: u64 = 1000;

/// Size of a value in bytes.
const VALUE_BYTES: usize = 256;

/// The errors that the clients got.
#[derive(Debug, Default, Clone)]
pub struct Errors {
    /// Number of them.
    pub count: u64,
    /// The first one.
    pub first: Option<String>,
    /// How often a member could not be reached. A client library then goes to the next member and reports nothing, so
    /// this is no error.
    pub unreached: u64,
    /// Why a member could not be reached the first time.
    pub first_unreached: Option<String>,
}

impl std::fmt::Display for Errors {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.first {
            None => out.write_str("no error")?,
            Some(first) => write!(out, "{} errors, the first: {first}", self.count)?,
        }
        match &self.first_unreached {
            None => Ok(()),
            Some(first) => write!(out, " (a member out of reach {} times, the first: {first})", self.unreached),
        }
    }
}

#[derive(Debug)]
struct Shared {
    gaps: Gaps,
    errors: Mutex<Errors>,
    /// How often [`Writers::spread`] was called. A client that sees a new number goes back to its first member.
    spreads: AtomicUsize,
    stop: AtomicBool,
}

/// Clients that know all members, each with one put in flight. They are spread over the members at first, and go to the
/// next member after a failure. Dropping this lets them end.
#[derive(Debug)]
pub struct Writers {
    shared: Arc<Shared>,
    /// `None` after [`Self::stop`].
    thread: Option<JoinHandle<()>>,
}

impl Writers {
    /// Starts `count` clients, which wait for an answer for as long as `patience`.
    pub fn start(endpoints: &[Endpoint], count: usize, patience: Duration) -> Result<Self> {
        let shared = Arc::new(Shared {
            gaps: Gaps::new(count),
            errors: Mutex::default(),
            spreads: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let (runtime, values) = (pace::runtime()?, Values::new(VALUE_BYTES));
        let clients: Vec<_> = (0..count)
            .map(|number| {
                let client = AnyEndpoint::new(endpoints.to_vec(), number, patience);
                write(number, client, values.clone(), Arc::clone(&shared))
            })
            .collect();
        let thread = pace::thread("writers", move || {
            runtime.block_on(futures::future::join_all(clients));
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Sends all clients back to their first member, so that they are spread evenly over the members.
    pub fn spread(&self) {
        self.shared.spreads.fetch_add(1, Ordering::Relaxed);
    }

    /// How long nothing was written.
    pub fn gaps(&self) -> &Gaps {
        &self.shared.gaps
    }

    /// The errors since the last call.
    pub fn take_errors(&self) -> Errors {
        std::mem::take(&mut *self.shared.errors.lock())
    }

    /// Lets the clients end, and waits for them.
    pub fn stop(mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().map(JoinHandle::join);
        thread.unwrap_or(Ok(())).map_err(|_| anyhow!("the thread of the writers panicked"))
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

async fn write(number: usize, mut client: AnyEndpoint, values: Values, shared: Arc<Shared>) {
    let keys = Keys { prefix: format!("writer/{number}/"), count: KEYS };
    let mut spreads = 0;
    for n in 0_u64.. {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let wanted = shared.spreads.load(Ordering::Relaxed);
        if wanted != spreads {
            spreads = wanted;
            client.go_to(number);
        }
        let put = pb::PutRequest { key: keys.key(n % KEYS), value: values.value(), ..Default::default() };
        match client.put(put).await {
            Ok(_) => {
                shared.gaps.wrote(number);
                continue;
            }
            Err(Failure::NotSent(text)) => {
                let mut errors = shared.errors.lock();
                errors.unreached += 1;
                errors.first_unreached.get_or_insert(text);
            }
            Err(Failure::Error(text)) => {
                let mut errors = shared.errors.lock();
                errors.count += 1;
                errors.first.get_or_insert(text);
            }
        }
        pace::pause(AFTER_FAILURE).await;
    }
}
