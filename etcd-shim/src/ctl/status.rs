//! `naxos ctl status`.

use std::time::Duration;

use naxos_proto::control::{DiskStatus, LogStatus, StatusResponse, StoreStatus};

use super::table::section;
use super::units::{bytes, grouped};

/// The state of a node in sections. Problems come first.
pub(super) fn status(answer: &StatusResponse) -> String {
    let state = match answer.problems.as_slice() {
        [] => "healthy".to_owned(),
        problems => problems.join("\n            "),
    };
    let uptime = Duration::from_secs(answer.uptime_ms / 1000);
    let mut parts = vec![section(
        &format!("naxos {} (etcd {})", answer.naxos_version, answer.etcd_version),
        &[
            ("state", state),
            ("member", format!("{} ({:x})", answer.name, answer.member_id)),
            ("cluster", format!("{:x}", answer.cluster_id)),
            ("cluster version", version(answer)),
            ("up", format!("{} (start {} of this data directory)", humantime::format_duration(uptime), answer.boot)),
        ],
    )];
    parts.extend(answer.log.as_ref().map(log));
    parts.extend(answer.store.as_ref().map(store));
    parts.extend(answer.disk.as_ref().map(disk));
    parts.join("\n")
}

/// The version of the cluster. If the program understands a higher version, that is added.
fn version(answer: &StatusResponse) -> String {
    let StatusResponse { cluster_version: now, cluster_version_max: max, .. } = answer;
    if max > now { format!("{now} (this program understands up to {max})") } else { now.to_string() }
}

fn log(s: &LogStatus) -> String {
    let lag = s.tail.saturating_sub(s.applied);
    section(
        "log",
        &[
            ("tail", grouped(s.tail)),
            ("applied", if lag == 0 { "everything".to_owned() } else { format!("all but {}", grouped(lag)) }),
            ("trimmed below", grouped(s.trim_point)),
            ("active loglet", format!("{} (chain version {})", s.active_kind, s.chain_version)),
        ],
    )
}

fn store(s: &StoreStatus) -> String {
    section(
        "store",
        &[
            ("revision", format!("{} (compacted at {})", grouped(s.revision), grouped(s.compact_revision))),
            ("keys", grouped(s.keys)),
            ("leases", grouped(s.leases)),
            ("watchers", grouped(s.watchers)),
            ("checkpoint", format!("up to position {}", grouped(s.checkpoint))),
        ],
    )
}

fn disk(s: &DiskStatus) -> String {
    section(
        "disk",
        &[
            ("state", s.state.clone()),
            ("journal", bytes(s.journal_bytes)),
            ("checkpoint", bytes(s.checkpoint_bytes)),
            ("free", format!("{} ({} kept in reserve)", bytes(s.free_bytes), bytes(s.reserve_bytes))),
        ],
    )
}
