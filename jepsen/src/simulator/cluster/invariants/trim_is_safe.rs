//! [`TrimIsSafe`]: the log is trimmed no further than to the position up to which every server of the view has made its
//! state durable (safety rule 7).

use std::collections::{BTreeMap, BTreeSet};

use naxos::node::probe::View;
use naxos_proto::contracts::LocalTail;
use naxos_proto::ids::{Incarnation, LogletId, Lsn, StorageId};

/// What a process wanted to trim, and which servers its view had.
#[derive(Debug)]
struct Wanted {
    up_to: Lsn,
    servers: BTreeSet<StorageId>,
    ejections: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct TrimIsSafe {
    /// What was seen of each process the last time.
    last: BTreeMap<Incarnation, Wanted>,
    /// The furthest position that a process wanted to trim up to.
    wanted: Lsn,
}

impl TrimIsSafe {
    /// Compares what is trimmed with what was wanted, what was wanted with the view, and the view with the servers.
    /// `are_all` says whether all nodes can be seen. A node that starts cannot be seen yet, but may already trim.
    ///
    /// # Errors
    /// If a process wants to trim what a server of its view needs, if more is trimmed than any process wanted, or if
    /// the view says more than is durable.
    pub fn look(&mut self, views: &[&View], are_all: bool) -> Result<(), String> {
        for view in views {
            for (server, at, is_held) in &view.view {
                let of_server = views.iter().find(|other| other.incarnation.storage == *server);
                // A position that another server told for this one is that of a snapshot. This server may not have made
                // it durable yet.
                if let Some(other) = of_server.filter(|other| !is_held && other.persisted < *at) {
                    let durable = other.persisted;
                    return Err(format!("the view says {at} of {server:?}, whose state is durable up to {durable}"));
                }
            }
            self.check_wanted(view)?;
            self.wanted = self.wanted.max(view.trim_point);
        }
        match views.iter().map(|view| trimmed(view)).max() {
            Some(trimmed) if are_all && trimmed > self.wanted => {
                Err(format!("the log is trimmed up to {trimmed}, nobody wanted more than {}", self.wanted))
            }
            _ => Ok(()),
        }
    }

    /// When a process wants to trim further, no server of its view may need what is trimmed. A server that has come
    /// into the view since the last look is an exception: it gets a snapshot. A server that was left out since the last
    /// look may have come back by an entry that it had sent before. So nothing is checked if a server was left out
    /// since the last look.
    fn check_wanted(&mut self, view: &View) -> Result<(), String> {
        let (node, wants) = (view.incarnation, view.trim_point);
        let servers = view.view.iter().map(|(server, ..)| *server).collect();
        let now = Wanted { up_to: wants, servers, ejections: view.ejections };
        let Some(before) = self.last.insert(node, now) else { return Ok(()) };
        if wants <= before.up_to || before.ejections != view.ejections {
            return Ok(());
        }
        match view.view.iter().find(|(server, at, _)| *at < wants && before.servers.contains(server)) {
            None => Ok(()),
            Some((server, at, _)) => Err(format!(
                "{node:?} wants to trim from {} to {wants}, and {server:?} needs the log from {at} on",
                before.up_to
            )),
        }
    }
}

/// The position up to which the unit or the chain of this node is trimmed: the higher one of the two.
fn trimmed(view: &View) -> Lsn {
    let chain = &view.chain.1;
    let active = view.tail.map(|tail| (chain.active().params.id, tail));
    let position = |(loglet, tail): (LogletId, LocalTail)| {
        let segment = chain.segments.iter().find(|segment| segment.params.id == loglet)?;
        (tail.trim_point.0 > 0).then(|| segment.start.plus(tail.trim_point.0))
    };
    let first = chain.segments.first().map_or(Lsn(0), |segment| segment.start);
    view.sealed.iter().copied().chain(active).filter_map(position).max().unwrap_or_default().max(first)
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::Offset;

    use super::super::tests::view;
    use super::*;

    #[test]
    fn a_trim_beyond_a_durable_state_is_found() {
        let (mut a, mut b) = (view(1, 1), view(2, 1));
        (a.persisted, b.persisted) = (Lsn(4), Lsn(2));
        a.view = vec![(StorageId(1), Lsn(4), false), (StorageId(2), Lsn(2), false)];
        let trimmed = |to| LocalTail { tail: Offset(4), known_tail: Offset(4), sealed: false, trim_point: Offset(to) };
        let mut rule = TrimIsSafe::default();
        assert_eq!(rule.look(&[&a, &b], true), Ok(()));
        a.trim_point = Lsn(2);
        b.tail = Some(trimmed(2));
        assert_eq!(rule.look(&[&a, &b], true), Ok(()));
        b.tail = Some(trimmed(3));
        assert!(rule.look(&[&a, &b], true).is_err(), "nobody wanted that");
        b.tail = None;
        a.trim_point = Lsn(3);
        assert!(rule.look(&[&a, &b], true).is_err(), "the second server needs position 2");
        a.view[1] = (StorageId(2), Lsn(3), false);
        assert!(rule.look(&[&a, &b], true).is_err(), "its state is durable up to 2 only");
        a.view[1].2 = true;
        assert_eq!(rule.look(&[&a, &b], true), Ok(()), "the first server holds the log for it");
        a.trim_point = Lsn(4);
        a.ejections = 1;
        assert_eq!(rule.look(&[&a, &b], true), Ok(()), "the second server was left out and is back");
    }
}
