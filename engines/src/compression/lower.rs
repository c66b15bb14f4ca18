//! The lower half: compresses payloads on their way down.

use std::sync::Arc;

use super::expand::encode_header;
use super::{EXPANDED_BYTES_MAX, INFO};
use crate::engine::{Engine, EngineSwitch, Proposal};
use crate::entry::Entry;

/// Smaller payloads are not compressed, because there is little to save.
pub const COMPRESS_MIN: usize = 512;

/// The lower half of the engine.
pub struct Compression {
    below: Arc<dyn Engine>,
    switch: EngineSwitch,
}

impl Compression {
    /// Makes the lower half.
    pub fn new(below: Arc<dyn Engine>, switch: EngineSwitch) -> Arc<Self> {
        Arc::new(Self { below, switch })
    }
}

impl Engine for Compression {
    fn below(&self) -> Option<&dyn Engine> {
        Some(&*self.below)
    }

    fn propose(&self, mut proposal: Proposal) {
        if self.switch.is_on() {
            proposal.entry = compressed(proposal.entry);
        }
        self.below.propose(proposal);
    }
}

/// The entry with a compressed payload, if that is worth it.
pub(super) fn compressed(mut entry: Entry) -> Entry {
    let len = entry.payload.len();
    if !(COMPRESS_MIN..=EXPANDED_BYTES_MAX).contains(&len) {
        return entry;
    }
    let block = lz4_flex::block::compress(&entry.payload);
    if block.len() <= len - len / 8 {
        entry.set_header(INFO.id, encode_header(len));
        entry.payload = block.into();
    }
    entry
}
