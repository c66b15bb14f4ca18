//! [`Backend::log_tail`]: how far the log reaches, without asking anyone.

use naxos_client::SharedLog;
use naxos_proto::contracts::StorageUnit;
use naxos_proto::ids::{LogletId, Lsn, Offset};

use super::backend::Backend;

impl Backend {
    /// The tail of the log, as far as this node knows: from its own storage unit, and from what the other nodes told it with
    /// their last heartbeats. It may be a little behind, so nothing may be concluded from it. It is for people and metrics.
    pub(crate) fn log_tail(&self) -> Lsn {
        let applied = self.reader.applied();
        if let Some(tail) = self.log.check_tail_now() {
            return tail;
        }
        let (_, chain) = self.log.chain();
        let active = chain.active();
        let own = self.unit.tail_now(active.params.id).and_then(Result::ok);
        let own = own.map(|tail| (active.params.id, tail.known_tail));
        let beats: Vec<_> = self.nodes.borrow().keys().filter_map(|node| (self.roster.heard)(*node)).collect();
        let position = |(loglet, tail): (LogletId, Offset)| {
            active.start.checked_add(tail.0).filter(|_| loglet == active.params.id)
        };
        let tails = beats.iter().filter_map(|beat| beat.known_tail).chain(own).filter_map(position);
        tails.chain(beats.iter().map(|beat| beat.applied)).chain([applied]).max().unwrap_or(applied)
    }
}
