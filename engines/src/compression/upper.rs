//! The upper half: expands payloads on their way up.

use naxos_proto::ids::Lsn;

use super::expand::expand;
use crate::engine::Applicator;
use crate::entry::Entry;
use crate::local_store::Txn;

/// The upper half of the engine.
pub struct CompressionApply<A> {
    up: A,
}

impl<A> CompressionApply<A> {
    /// The upper half, which passes expanded entries on to `up`.
    pub fn new(up: A) -> Self {
        Self { up }
    }
}

impl<A: Applicator> Applicator for CompressionApply<A> {
    type Output = A::Output;

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output {
        let entry = expand(entry).unwrap_or_else(|e| panic!("the entry at {lsn} cannot be applied: {e}"));
        self.up.apply(txn, lsn, &entry)
    }

    fn is_free(&self) -> bool {
        self.up.is_free()
    }

    fn post_apply(&mut self, lsn: Lsn, output: Self::Output) {
        self.up.post_apply(lsn, output);
    }
}
