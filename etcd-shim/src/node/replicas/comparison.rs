//! [`Comparison`]: compares this replica with the others. If this replica differs, does what is necessary then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use naxos_proto::contracts::{ChecksumMark, Checksums};
use naxos_proto::etcd::server::etcdserverpb::{AlarmRequest, AlarmType, alarm_request::AlarmAction};
use naxos_proto::ids::{Lsn, StorageId};

use super::desk::ChecksumDesk;
use super::search::{Found, first_difference};
use super::verdict::{Verdict, judge};
use crate::backend::{Backend, FirstRevision, PendingRequests};
use crate::node::cluster::Peers;
use crate::node::hand_over::HandOver;
use crate::state::Command;

/// The time between two comparisons.
const COMPARE_EVERY: Duration = Duration::from_secs(2);
/// After this many comparisons in a row in which members differed and no majority agreed, the alarm is raised. A member
/// that is just starting may answer in the meantime, and then there is a majority.
const UNSURE_MAX: u32 = 5;
/// After this many searches in which one history ended before the other, this end counts as the first difference. Until
/// then, the replica whose history ended may just not have applied the rest.
const ENDS_MAX: u32 = 5;
/// How long the alarm waits for the note in the local store at most.
const NOTED_MAX: Duration = Duration::from_secs(5);
/// The time between two looks whether the note is durable.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The member that an alarm names if it is not known which one differs. The same as in etcd.
const UNKNOWN_MEMBER: u64 = 0;

/// See the module.
pub(in crate::node) struct Comparison {
    pub(in crate::node) peers: Arc<Peers>,
    /// The checksums of this replica.
    pub(in crate::node) own: Arc<ChecksumDesk>,
}

/// What the work remembers from one comparison to the next.
#[derive(Default)]
struct Progress {
    /// The other replicas that differ, as the log of the program named them last.
    told: Vec<StorageId>,
    /// Comparisons in a row that were unsure.
    unsure: u32,
    /// Whether the alarm for this member was raised. It is raised once in a process, so that a person can turn it off
    /// while the member still differs and serves nothing.
    is_raised: bool,
    /// How many searches found that one history ended before the other.
    ends: u32,
}

impl Comparison {
    /// Works until it is dropped.
    pub(in crate::node) async fn run(&self, backend: &Backend, pending: &Arc<PendingRequests>) {
        let mut progress = Progress::default();
        loop {
            backend.clock.sleep(COMPARE_EVERY).await;
            if !backend.fence.is_up() {
                self.compare(backend, pending, &mut progress).await;
            }
            if backend.fence.is_up() {
                self.stay_fenced(backend, pending, &mut progress).await;
            }
        }
    }

    /// Compares this replica with all others that answer.
    async fn compare(&self, backend: &Backend, pending: &Arc<PendingRequests>, progress: &mut Progress) {
        let members = backend.roster.seats.borrow().len();
        let others = self.marks_of_others().await;
        // This replica's marks are taken last: positions that a busy log adds meanwhile are not missing then.
        let verdict = judge(&backend.reader.marks(), &others, members);
        if let Verdict::Unsure(at) = verdict {
            progress.unsure += 1;
            if progress.unsure >= UNSURE_MAX {
                self.raise_unsure(backend, pending, at).await;
            }
        } else {
            progress.unsure = 0;
            backend.fence.note_unsure(None);
        }
        match verdict {
            Verdict::Differs(at) => {
                tracing::error!(
                    position = at.0,
                    "the state of this member differs from that of a majority: it serves nothing any more"
                );
                backend.fence.raise(at);
                backend.leadership.end();
                backend.reader.note_differs(at);
            }
            Verdict::OthersDiffer(who) if who != progress.told => {
                let storages: Vec<String> = who.iter().map(|storage| format!("{:016x}", storage.0)).collect();
                tracing::error!(?storages, "the state of other members differs from that of a majority");
                progress.told = who;
            }
            Verdict::Equal | Verdict::OthersDiffer(_) | Verdict::Unsure(_) => {}
        }
    }

    async fn marks_of_others(&self) -> BTreeMap<StorageId, Vec<ChecksumMark>> {
        let ask = async |(storage, other): (StorageId, Arc<dyn Checksums>)| Some((storage, other.marks().await.ok()?));
        join_all(self.peers.checksums().into_iter().map(ask)).await.into_iter().flatten().collect()
    }

    /// Raises the alarm for an unknown member, unless an alarm of this kind is on. As long as the members differ it comes
    /// back after somebody has turned it off, because nobody is fenced.
    async fn raise_unsure(&self, backend: &Backend, pending: &Arc<PendingRequests>, at: Lsn) {
        backend.fence.note_unsure(Some(at));
        let corrupt = AlarmType::Corrupt as i32;
        if backend.store.read().alarms.iter().any(|(_, alarm)| *alarm == corrupt) {
            return;
        }
        tracing::error!(position = at.0, "members differ, and no majority agrees: raising alarm CORRUPT");
        raise(backend, pending, UNKNOWN_MEMBER).await;
    }

    /// What a fenced member does again and again: it raises its alarm, gives the sequencer away, and looks for the first
    /// revision that differs.
    async fn stay_fenced(&self, backend: &Backend, pending: &Arc<PendingRequests>, progress: &mut Progress) {
        if !progress.is_raised {
            wait_for_note(backend).await;
            progress.is_raised = raise(backend, pending, backend.member_id).await;
        }
        // This member may go on leading the MetaStore, which does not depend on the local store. The leader of the
        // MetaStore is the last choice for the sequencer.
        let hand_over = HandOver::of(backend);
        if hand_over.has_sequencer() {
            hand_over.run().await;
        }
        // The alarm stops compactions. Without it the histories might never be comparable.
        let is_known = backend.fence.difference().is_none_or(|known| known.first != FirstRevision::Unknown);
        if progress.is_raised && !is_known {
            self.search(backend, progress).await;
        }
    }

    /// Looks for the first revision that differs. Compares the history with that of the first other member that answers
    /// and for which the alarm CORRUPT is not on.
    async fn search(&self, backend: &Backend, progress: &mut Progress) {
        let corrupt = AlarmType::Corrupt as i32;
        let is_accused = |storage| {
            let member = backend.roster.member(storage);
            member.is_some_and(|member| backend.store.read().alarms.contains(&(member.0, corrupt)))
        };
        for (storage, other) in self.peers.checksums() {
            if is_accused(storage) {
                continue;
            }
            let first = match first_difference(&*self.own, &*other).await {
                Ok(Found::First(revision)) => FirstRevision::At(revision),
                Ok(Found::Compacted(revision)) => FirstRevision::Compacted(revision),
                Ok(Found::Equal) => FirstRevision::NoRevision,
                Ok(Found::Ends(revision)) => {
                    progress.ends += 1;
                    if progress.ends < ENDS_MAX {
                        return;
                    }
                    FirstRevision::At(revision + 1)
                }
                Err(error) => {
                    tracing::debug!(%error, "the first revision that differs cannot be found yet");
                    continue;
                }
            };
            backend.fence.note_first(first);
            if let Some(difference) = backend.fence.difference() {
                tracing::error!("{difference}");
            }
            return;
        }
    }
}

/// Waits until the note that this member differs is durable, but no longer than [`NOTED_MAX`], because the disk may be
/// full. The alarm is raised after that. It stops all writes, and without new entries only the note tells a later start
/// that this member differs.
async fn wait_for_note(backend: &Backend) {
    let began = backend.clock.now();
    while !backend.reader.has_noted_differs() && backend.clock.now().since(began) < NOTED_MAX {
        backend.clock.sleep(LOOK_EVERY).await;
    }
}

/// Raises the alarm CORRUPT for a member. Returns whether it is on.
async fn raise(backend: &Backend, pending: &Arc<PendingRequests>, member_id: u64) -> bool {
    let alarm = AlarmType::Corrupt as i32;
    if backend.store.read().alarms.contains(&(member_id, alarm)) {
        return true;
    }
    let request = AlarmRequest { action: AlarmAction::Activate as i32, member_id, alarm };
    match backend.propose(pending, Command::Alarm(request)).await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(error = error.message(), "alarm CORRUPT is not raised yet; trying again");
            false
        }
    }
}
