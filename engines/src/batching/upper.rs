//! The upper half: takes a batch apart, and gives each caller its output.

use std::sync::Arc;

use naxos_proto::codec::DecodeError;
use naxos_proto::ids::Lsn;

use super::INFO;
use super::application::Application;
use super::header::{decode_header, read_commands};
use super::lower::Batching;
use crate::engine::Applicator;
use crate::entry::Entry;
use crate::local_store::Txn;
use crate::reply_port::deliver_all;

/// The upper half of the engine.
pub struct BatchingApply<P: Application> {
    application: P,
    shared: Arc<Batching<P::Output>>,
}

impl<P: Application> BatchingApply<P> {
    /// The upper half, with `application` on top of it. The outputs go to the waiters in `lower`.
    pub fn new(application: P, lower: Arc<Batching<P::Output>>) -> Self {
        Self { application, shared: lower }
    }
}

/// The result of applying one batch.
pub struct BatchOutput<O> {
    /// The number of the batch, if this process sent it.
    own: Option<u64>,
    outputs: Vec<O>,
}

impl<P: Application> Applicator for BatchingApply<P> {
    type Output = BatchOutput<P::Output>;

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output {
        let Some(header) = entry.header(INFO.id) else {
            return BatchOutput { own: None, outputs: Vec::new() };
        };
        let damaged = |e: DecodeError| -> ! { panic!("the entry at {lsn} cannot be applied: {e}") };
        let (from, number, count) = decode_header(header.clone()).unwrap_or_else(|e| damaged(e));
        let mut outputs = Vec::with_capacity(count as usize);
        for (index, command) in (0..).zip(read_commands(entry, count)) {
            let command = command.unwrap_or_else(|e| damaged(e));
            outputs.push(self.application.apply(txn, lsn, index, command));
        }
        self.application.end_entry(txn);
        BatchOutput { own: (from == self.shared.own).then_some(number), outputs }
    }

    fn is_free(&self) -> bool {
        self.application.is_free()
    }

    fn post_apply(&mut self, lsn: Lsn, output: Self::Output) {
        self.application.post_apply(lsn);
        if let Some(waiters) = output.own.and_then(|number| self.shared.settled(number)) {
            assert_eq!(waiters.len(), output.outputs.len(), "every command of a batch has a waiter");
            deliver_all(waiters.into_iter().zip(output.outputs.into_iter().map(Ok)));
            self.shared.flush();
        }
        self.application.after_replies();
    }
}
