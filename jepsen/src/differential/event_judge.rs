//! Decides whether two servers have sent a watcher the same event.

use naxos_proto::etcd::client::mvccpb::Event;

use super::compared_server::ServerKind;

/// Knows what the two servers are, because etcd may leave out a part of an event that Naxos must send.
#[derive(Debug, Clone, Copy)]
pub struct EventJudge {
    pub reference: ServerKind,
    pub subject: ServerKind,
}

impl EventJudge {
    /// Whether the event of the reference and that of the subject are equal. `created` is the revision of the store when
    /// the watcher was created.
    ///
    /// etcd makes a watcher live before it notes that the watcher asks for previous values (`recvLoop` in `v3rpc/watch.go`
    /// of etcd 3.6). etcd may deliver the watcher's history between these two steps. Then the events come without
    /// previous values. So a previous value that etcd leaves out of a watcher's history is no difference.
    pub fn equal(self, theirs: Option<&Event>, ours: Option<&Event>, created: i64) -> bool {
        if theirs == ours {
            return true;
        }
        let (Some(theirs), Some(ours)) = (theirs, ours) else { return false };
        let may_lack_previous = |kind: ServerKind, event: &Event| {
            kind == ServerKind::Etcd && event.prev_kv.is_none() && revision(event) <= created
        };
        let lacks_previous = may_lack_previous(self.reference, theirs) || may_lack_previous(self.subject, ours);
        lacks_previous && without_previous(theirs) == without_previous(ours)
    }
}

fn revision(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

fn without_previous(event: &Event) -> Event {
    Event { prev_kv: None, ..event.clone() }
}

#[cfg(test)]
mod tests {
    use naxos_proto::etcd::client::mvccpb::KeyValue;

    use super::*;

    const WITH_NAXOS: EventJudge = EventJudge { reference: ServerKind::Etcd, subject: ServerKind::Naxos };
    const WITH_ETCD: EventJudge = EventJudge { reference: ServerKind::Etcd, subject: ServerKind::Etcd };

    fn event(revision: i64, previous: Option<i64>) -> Event {
        let at = |mod_revision| KeyValue { key: "k".into(), mod_revision, ..Default::default() };
        Event { kv: Some(at(revision)), prev_kv: previous.map(at), ..Default::default() }
    }

    #[test]
    fn etcd_may_leave_previous_values_out_of_a_watchers_history() {
        let (whole, lacking) = (event(7, Some(5)), event(7, None));
        assert!(WITH_NAXOS.equal(Some(&lacking), Some(&whole), 7));
        assert!(WITH_ETCD.equal(Some(&whole), Some(&lacking), 7));
    }

    #[test]
    fn naxos_may_not_leave_out_previous_values() {
        assert!(!WITH_NAXOS.equal(Some(&event(7, Some(5))), Some(&event(7, None)), 7));
    }

    #[test]
    fn every_other_difference_counts() {
        let (whole, lacking) = (event(7, Some(5)), event(7, None));
        assert!(!WITH_NAXOS.equal(Some(&lacking), Some(&whole), 6), "the event is newer than the watcher");
        assert!(!WITH_NAXOS.equal(Some(&event(7, Some(4))), Some(&whole), 7));
        assert!(!WITH_NAXOS.equal(Some(&event(6, None)), Some(&whole), 7));
        assert!(!WITH_NAXOS.equal(None, Some(&whole), 7));
        assert!(WITH_NAXOS.equal(Some(&whole), Some(&whole), 0));
    }
}
