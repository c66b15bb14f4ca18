//! What a [`Plan`] says to the operator.

use std::fmt::Write as _;

use naxos_proto::etcd::server::etcdserverpb::Member;
use naxos_proto::seams::WallTime;

use super::roles::roles;
use super::{Plan, Survivor};

impl Plan {
    /// What was found, what is kept, and what may be missing.
    pub(crate) fn describe(&self) -> String {
        let mut out = String::new();
        for survivor in &self.survivors {
            let _ = writeln!(out, "{}", self.describe_survivor(survivor));
        }
        let base = self.base();
        let _ = writeln!(
            out,
            "Taken: the local store of {}, which can be brought to position {}{}.",
            base.name,
            self.tail.0,
            if self.survivors.len() > 1 { ": none can be brought further" } else { "" }
        );
        if self.newest_chain != self.chosen {
            let newest = &self.survivors[self.newest_chain];
            let _ = writeln!(
                out,
                "The chain is that of {}, version {}: its register is the newest.",
                newest.name, newest.register.version.0
            );
        }
        let _ = writeln!(out, "\n{}", self.what_is_kept());
        out
    }

    fn describe_survivor(&self, survivor: &Survivor) -> String {
        let active = survivor.chain.active();
        let name = survivor.listed().map_or("without a name", |member| member.name.as_str());
        let mut out = format!(
            "{}\n  member {name} ({:x}), data directory {:016x}, boot {}, log {:016x}\n  chain version {}, with {} \
             segment(s); the newest begins at position {}\n",
            survivor.name,
            survivor.member.0,
            survivor.storage.0,
            survivor.boot.0,
            survivor.log.0,
            survivor.register.version.0,
            survivor.chain.segments.len(),
            active.start.0
        );
        if survivor.register.last < self.survivors[self.newest_chain].register.last {
            out.push_str("  its register is older than that of another directory\n");
        }
        let _ = match (survivor.local(active), roles(active)) {
            (Some(local), Some(roles)) => writeln!(
                out,
                "  last durable position: {} (the segment has {} units, {} acknowledge a write){}; known to be \
                 acknowledged below {}",
                position(active.lsn(local.tail).0),
                roles.units.len(),
                roles.write_quorum,
                if local.sealed { ", sealed" } else { "" },
                active.lsn(local.known_tail).0
            ),
            _ => writeln!(out, "  last durable position: none in the newest segment, which is on other members"),
        };
        let _ = match &survivor.store {
            Some(store) => writeln!(
                out,
                "  local store: has applied the positions below {}, revision {}, {} bytes",
                store.cursor.0, store.kept.revision, store.bytes
            ),
            None => writeln!(out, "  local store: none"),
        };
        if let Some(at) = survivor.store.as_ref().and_then(|store| store.differs) {
            let _ =
                writeln!(out, "  its state was found to differ from that of the other members at position {}", at.0);
        }
        out
    }

    /// What is kept and what may be missing.
    pub(super) fn what_is_kept(&self) -> String {
        let (tail, certain) = (self.tail.0, self.certain.0);
        let mut out = format!("Kept: all positions below {tail}");
        if let Some(newest) = self.newest {
            let _ = write!(out, "; the newest entry was proposed at {}", time(newest));
        }
        out.push_str(".\n");
        if self.is_complete {
            out.push_str(
                "Missing: nothing that was acknowledged. Each quorum that acknowledges a write has one of these \
                 directories.",
            );
            return out;
        }
        let _ = write!(
            out,
            "Certain: every write that was acknowledged at a position below {certain} is kept.\nMay be missing: writes that \
             were acknowledged at position {certain} or later and that none of these directories has seen, because only \
             the lost members had them."
        );
        if self.has_gap {
            let _ = write!(
                out,
                " Positions above {tail} are here but cannot be used: none of these directories has position {tail}."
            );
        }
        out
    }

    /// What will be done, in order.
    pub(crate) fn steps(&self, target: &str) -> Vec<String> {
        let base = self.base();
        let (cursor, tail) = (base.cursor().0, self.tail.0);
        let copy = match &base.store {
            Some(store) => format!("copy the local store of {} to {target}: {} bytes", base.name, store.bytes),
            None => format!("make an empty local store in {target}"),
        };
        let listed = base.store.iter().flat_map(|store| store.kept.members.values());
        let others = listed.filter(|one| one.id != self.member.id);
        // A member that has never started has no name, and neither has a log server.
        let named = |one: &Member| if one.name.is_empty() { format!("{:x}", one.id) } else { one.name.clone() };
        let gone: Vec<String> = others.map(named).collect();
        let gone = if gone.is_empty() { "none".to_owned() } else { gone.join(", ") };
        vec![
            format!("begin a new log at position {}, with a new log id and a new data directory id", tail + 1),
            copy,
            format!("apply the {} positions from {cursor} on that are below {tail}", tail.saturating_sub(cursor)),
            format!(
                "leave {} ({:x}) at {} as the only member; remove {gone}; raise the revision by {} and compact there",
                self.member.name,
                self.member.id,
                self.member.peer_ur_ls.join(","),
                self.revisions
            ),
            format!("move the new directory to {target}"),
        ]
    }
}

/// The last position below a tail.
fn position(tail: u64) -> String {
    tail.checked_sub(1).map_or_else(|| "none".to_owned(), |last| last.to_string())
}

/// A time as RFC 3339.
pub(in crate::node) fn time(wall: WallTime) -> String {
    let since = std::time::Duration::from_nanos(wall.0);
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string()
}
