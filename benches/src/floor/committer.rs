//! One thread makes the queued calls durable, with one write and one fdatasync for all calls that wait.
//!
//! Pacing: a sync begins no earlier than `pace` after the last one began, so that it covers many calls. A single call
//! does not have to wait if the last sync covered only one call too.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use naxos_proto::etcd::twins;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{mpsc, oneshot};

use crate::pace;

/// Size of the file. It is filled with zeros before use, and then written again and again from its beginning.
const FILE_BYTES: u64 = 64 << 20;

/// How many batches may wait for a lane's runtime to complete them.
const BATCHES_MAX: usize = 1024;

/// A call that waits for the disk.
struct Call {
    /// An encoded `mvccpb.Event`.
    event: Bytes,
    lane: usize,
    done: oneshot::Sender<()>,
}

/// The calls of one lane that one sync has made durable.
pub(super) struct Durable {
    /// One sender for each call of this lane. Sending completes the call.
    pub calls: Vec<oneshot::Sender<()>>,
    /// The events of all lanes, encoded as in `WatchResponse.events`. All lanes share them.
    pub events: Bytes,
}

#[derive(Default)]
struct Queue {
    calls: Mutex<Vec<Call>>,
    filled: Condvar,
}

impl Queue {
    fn push(&self, call: Call) {
        let mut calls = self.calls.lock();
        calls.push(call);
        if calls.len() == 1 {
            drop(calls);
            self.filled.notify_one();
        }
    }
}

/// The committer's thread and its queue.
#[derive(Clone)]
pub(super) struct Committer {
    queue: Arc<Queue>,
}

impl Committer {
    /// Starts the thread. Each lane completes its calls, which it gets from its own receiver.
    pub(super) fn start(folder: &Path, pace: Duration, lanes: usize) -> Result<(Self, Vec<mpsc::Receiver<Durable>>)> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let file = File::create(folder.join("journal"))?;
        let zeros = vec![0; 1 << 20];
        for at in (0..FILE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        let (senders, inboxes) = (0..lanes).map(|_| mpsc::channel(BATCHES_MAX)).unzip();
        let committer = Self { queue: Arc::default() };
        let queue = Arc::clone(&committer.queue);
        crate::pace::thread("committer", move || {
            if let Err(error) = run(&queue, &file, pace, senders) {
                eprintln!("committer: {error:#}");
                std::process::exit(1);
            }
        });
        Ok((committer, inboxes))
    }

    /// The handle of one lane.
    pub(super) fn lane(&self, lane: usize) -> Lane {
        Lane { queue: Arc::clone(&self.queue), lane }
    }
}

/// The connection of one runtime to the committer.
#[derive(Clone)]
pub(super) struct Lane {
    queue: Arc<Queue>,
    lane: usize,
}

impl Lane {
    /// Waits until `event` is durable. False if the committer is gone.
    ///
    /// # Cancel safety
    /// If the future is dropped, the event stays queued and becomes durable all the same.
    pub(super) async fn commit(&self, event: Bytes) -> bool {
        let (done, is_done) = oneshot::channel();
        self.queue.push(Call { event, lane: self.lane, done });
        is_done.await.is_ok()
    }
}

fn run(queue: &Queue, file: &File, pace: Duration, lanes: Vec<mpsc::Sender<Durable>>) -> Result<()> {
    let (mut last_start, mut last_calls, mut at) = (pace::now(), 0, 0);
    loop {
        let batch = next_batch(queue, last_start + pace, last_calls);
        (last_start, last_calls) = (pace::now(), batch.len());
        at = write(file, at, &batch)?;
        let events = events_of(&batch);
        let mut done: Vec<Vec<_>> = lanes.iter().map(|_| Vec::new()).collect();
        for call in batch {
            done[call.lane].push(call.done);
        }
        for (lane, calls) in lanes.iter().zip(done) {
            lane.blocking_send(Durable { calls, events: events.clone() }).context("a lane ended")?;
        }
    }
}

fn next_batch(queue: &Queue, earliest: std::time::Instant, last_calls: usize) -> Vec<Call> {
    let mut calls = queue.calls.lock();
    while calls.is_empty() {
        queue.filled.wait(&mut calls);
    }
    if calls.len() > 1 || last_calls > 1 {
        drop(calls);
        pace::sleep(earliest.saturating_duration_since(pace::now()));
        calls = queue.calls.lock();
    }
    std::mem::take(&mut *calls)
}

/// Writes the batch at `at`, or at the beginning of the file if it does not fit after `at`. Returns the position of the
/// next batch.
fn write(file: &File, at: u64, batch: &[Call]) -> io::Result<u64> {
    let mut bytes = Vec::with_capacity(batch.iter().map(|call| call.event.len() + 8).sum());
    for call in batch {
        bytes.extend_from_slice(&(call.event.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&call.event);
    }
    let at = if at + bytes.len() as u64 > FILE_BYTES { 0 } else { at };
    file.write_all_at(&bytes, at)?;
    file.sync_data()?;
    Ok(at + bytes.len() as u64)
}

fn events_of(batch: &[Call]) -> Bytes {
    let mut events = BytesMut::with_capacity(batch.iter().map(|call| twins::event_len(call.event.len())).sum());
    for call in batch {
        twins::put_event(&mut events, &call.event);
    }
    events.freeze()
}
