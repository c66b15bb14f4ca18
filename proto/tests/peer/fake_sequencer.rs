//! A sequencer that writes down the appends and the loglets that it is asked for. It answers an append when the test
//! says so, and every other call at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::chain::LogletParams;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, OnGrant, Refusal, Sequencer};
use naxos_proto::ids::{Boot, Incarnation, LogletId, Lsn, Offset, StorageId, StreamId};
use naxos_proto::streams::{BackPointers, StreamHeader, StreamTails};
use naxos_proto::tail::Tail;
use parking_lot::Mutex;

use crate::world::{LOGLET, SERVER};

type Done = Completion<Result<Offset, AppendError>>;

#[derive(Default)]
pub(crate) struct FakeSequencer {
    /// The first payload of each append, and the append's completion while it has no answer.
    appends: Mutex<Vec<(Vec<u8>, Option<Done>)>>,
    /// The loglets that this sequencer was asked to serve, in order, and the positions of their first cells.
    pub(crate) served: Mutex<Vec<(LogletParams, Lsn)>>,
    /// Whether each append is told its offset at once: 100 for the first one, 101 for the second one, and so on.
    pub(crate) grants: AtomicBool,
}

impl FakeSequencer {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn appends(&self) -> Vec<Vec<u8>> {
        self.appends.lock().iter().map(|(payload, _)| payload.clone()).collect()
    }

    /// Answers append number `n`, counted from 0.
    pub(crate) fn answer(&self, n: usize, outcome: Result<Offset, AppendError>) {
        let done = self.appends.lock()[n].1.take();
        done.expect("an append is answered once").complete(outcome);
    }
}

impl Sequencer for FakeSequencer {
    fn incarnation(&self) -> Incarnation {
        Incarnation { storage: StorageId(SERVER), boot: Boot(3) }
    }

    fn serve<'a>(&'a self, loglet: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), Refusal>> {
        self.served.lock().push((loglet.clone(), start));
        let known = loglet.id == LOGLET;
        Box::pin(async move { if known { Ok(()) } else { Err(Refusal::NotServed(loglet.id)) } })
    }

    fn append(&self, _: LogletId, _: Incarnation, batch: Vec<Cell>, granted: Option<OnGrant>, done: Done) {
        let mut appends = self.appends.lock();
        if let (true, Some(granted)) = (self.grants.load(Ordering::Relaxed), granted) {
            granted(Offset(100 + appends.len() as u64));
        }
        appends.push((batch[0].payload.to_vec(), Some(done)));
    }

    fn grant(&self, loglet: LogletId, _: Incarnation, count: u32) -> BoxFuture<'_, Result<Offset, AppendError>> {
        Box::pin(async move {
            if loglet == LOGLET { Ok(Offset(count.into())) } else { Err(Refusal::NotServed(loglet).into()) }
        })
    }

    fn grant_in_streams(
        &self,
        _: LogletId,
        _: Incarnation,
        headers: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<(Offset, Vec<Bytes>), AppendError>> {
        let filled = |header: Bytes| match header.is_empty() {
            true => header,
            false => StreamHeader::filled(header, |stream| BackPointers::below(Lsn(stream.0))).expect("it is one"),
        };
        Box::pin(std::future::ready(Ok((Offset(4), headers.into_iter().map(filled).collect()))))
    }

    fn stream_tails<'a>(&'a self, loglet: LogletId, streams: &'a [StreamId]) -> BoxFuture<'a, Option<StreamTails>> {
        let tails = streams.iter().map(|stream| BackPointers::below(Lsn(stream.0))).collect();
        let known = (loglet == LOGLET).then_some(StreamTails { below: Lsn(9), tails });
        Box::pin(std::future::ready(known))
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>> {
        Box::pin(async move { (loglet == LOGLET).then_some(Tail::Sealed(Offset(8))) })
    }
}
