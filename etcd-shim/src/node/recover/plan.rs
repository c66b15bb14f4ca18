//! [`Plan`]: what the survivors hold together, and what will be made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use naxos_client::{Record, SharedLog};
use naxos_engines::Entry;
use naxos_engines::base::{self, Header};
use naxos_proto::chain::{Chain, Segment};
use naxos_proto::etcd::server::etcdserverpb::Member;
use naxos_proto::ids::{ClusterId, Lsn, StorageId};
use naxos_proto::seams::WallTime;

use super::coverage::{Covered, Known, chosen, holds_beyond, is_complete, newest_chain, reach};
use super::found_log::FoundLog;
use super::roles::roles;
use super::{RecoverError, Survivor};
use crate::config::Url;
use crate::node::ids;

/// The newest entry is searched for in this many positions before the tail. One position is not enough, because it may
/// hold junk.
const NEWEST_WITHIN: u64 = 64;
/// The most bytes that one read takes in this search.
const READ_BYTES: usize = 4 << 20;
/// The default of `--initial-cluster-token`.
const TOKEN: &str = "etcd-cluster";

/// What the operator wants to change in the recovery.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// The member's name. `None` keeps the one that it had.
    pub(crate) name: Option<String>,
    /// The member's peer URLs. If empty, it keeps those that it had.
    pub(crate) peer_urls: Vec<String>,
    /// How far the revision is raised.
    pub(crate) revisions: u64,
}

/// See the module.
pub(crate) struct Plan {
    pub(super) survivors: Vec<Survivor>,
    /// The survivor whose local store is taken.
    pub(super) chosen: usize,
    /// The survivor whose chain is believed.
    pub(super) newest_chain: usize,
    /// The first position that is not kept.
    pub(super) tail: Lsn,
    /// Below this position no acknowledged write is missing.
    pub(super) certain: Lsn,
    /// Whether nothing acknowledged can be missing at all.
    pub(super) is_complete: bool,
    /// Whether a survivor holds positions above the tail, which nobody can apply because the one at the tail is lost.
    pub(super) has_gap: bool,
    /// When the newest entry that is kept was proposed, by the clock of its proposer.
    pub(super) newest: Option<WallTime>,
    /// The member that goes on.
    pub(super) member: Member,
    pub(super) revisions: u64,
}

impl Plan {
    /// Looks at the survivors. Changes nothing.
    pub(crate) async fn make(survivors: Vec<Survivor>, wishes: Wishes) -> Result<Plan, RecoverError> {
        let first = survivors.first().expect("the caller has a survivor");
        if let Some(other) = survivors.iter().find(|other| other.log != first.log) {
            let (one, log, other, other_log) = (first.name.clone(), first.log, other.name.clone(), other.log);
            return Err(RecoverError::OtherCluster { one, log, other, other_log });
        }
        let known = |one: &Survivor, reach| Known {
            last: one.register.last,
            cursor: one.cursor(),
            reach,
            differs: one.differs(),
        };
        let by_register: Vec<Known> = survivors.iter().map(|one| known(one, Lsn::ZERO)).collect();
        let newest_chain = newest_chain(&by_register).expect("there is a survivor");
        let chain = &survivors[newest_chain].chain;
        let covered: Vec<Covered> = chain.segments.iter().map(|segment| covered(segment, &survivors)).collect();
        let known: Vec<Known> = survivors.iter().map(|one| known(one, reach(one.cursor(), &covered))).collect();
        let chosen = chosen(&known).expect("there is a survivor");
        let tail = known[chosen].reach;
        let has_gap = holds_beyond(tail, &covered);
        let log = found_log(&survivors, newest_chain, chosen, tail);
        let newest = newest_entry(&log).await;
        let member = member_that_goes_on(&survivors[chosen], &wishes)?;
        Ok(Plan {
            chosen,
            newest_chain,
            tail,
            certain: certain(chain, &survivors).min(tail),
            is_complete: !has_gap && is_all(&survivors, newest_chain),
            has_gap,
            newest,
            member,
            revisions: wishes.revisions,
            survivors,
        })
    }

    /// The id of the new cluster in etcd's API. It is the id of the old cluster. If the chosen survivor does not know
    /// that id, it is the id that a newly founded cluster with only this member would get.
    pub(super) fn cluster(&self) -> ClusterId {
        self.base().cluster.unwrap_or_else(|| {
            let urls = self.member.peer_ur_ls.iter().filter_map(|url| Url::parse(url).ok()).collect();
            ClusterId(ids::cluster_id(&BTreeMap::from([(self.member.name.clone(), urls)]), TOKEN))
        })
    }

    /// The survivor whose local store is taken.
    pub(super) fn base(&self) -> &Survivor {
        &self.survivors[self.chosen]
    }

    /// The old log, up to the tail.
    pub(super) fn log(&self) -> FoundLog {
        found_log(&self.survivors, self.newest_chain, self.chosen, self.tail)
    }
}

fn covered(segment: &Segment, survivors: &[Survivor]) -> Covered {
    let held = survivors.iter().flat_map(|survivor| survivor.held(segment)).collect();
    Covered { end: segment.end, held }
}

fn found_log(survivors: &[Survivor], newest_chain: usize, first: usize, tail: Lsn) -> FoundLog {
    let others = survivors.iter().enumerate().filter(|(at, _)| *at != first).map(|(_, other)| other);
    let cells = std::iter::once(&survivors[first]).chain(others).map(|one| Arc::downgrade(&one.cells)).collect();
    FoundLog { chain: survivors[newest_chain].chain.clone(), cells, tail, last: OnceLock::new() }
}

/// The position below which no acknowledged write is missing. Each entry below it was on a write quorum, or is below
/// the end of its segment. So it is the entry that the whole old cluster had at its position.
fn certain(chain: &Chain, survivors: &[Survivor]) -> Lsn {
    let active = chain.active();
    let known_tails = survivors.iter().filter_map(|one| Some(active.lsn(one.local(active)?.known_tail)));
    // An entry is applied only when it is committed.
    let applied = survivors.iter().map(Survivor::cursor);
    known_tails.chain(applied).fold(active.start, Ord::max)
}

fn is_all(survivors: &[Survivor], newest_chain: usize) -> bool {
    let newest = &survivors[newest_chain];
    let storages: BTreeSet<StorageId> = survivors.iter().map(|one| one.storage).collect();
    roles(newest.chain.active())
        .is_some_and(|roles| is_complete(&storages, &newest.register.all_voters(), &roles.units, roles.write_quorum))
}

/// When the last entry was proposed.
async fn newest_entry(log: &FoundLog) -> Option<WallTime> {
    let mut from = Lsn(log.tail.0.saturating_sub(NEWEST_WITHIN)).max(log.chain.start());
    let mut newest: Option<Record> = None;
    while from < log.tail {
        match log.read(from, log.tail, READ_BYTES).await {
            Ok((records, next)) => {
                newest = records.into_iter().next_back().or(newest);
                from = next;
            }
            // What the local store has applied need not be in a journal any more.
            Err(_) => from = from.next(),
        }
    }
    let entry = Entry::decode(newest?.payload).ok()?;
    Some(Header::decode(entry.header(base::INFO.id)?.clone()).ok()?.wall)
}

fn member_that_goes_on(survivor: &Survivor, wishes: &Wishes) -> Result<Member, RecoverError> {
    let listed = survivor.listed().cloned().unwrap_or_default();
    let name = wishes.name.clone().unwrap_or(listed.name);
    let peer_ur_ls = if wishes.peer_urls.is_empty() { listed.peer_ur_ls } else { wishes.peer_urls.clone() };
    if name.is_empty() || peer_ur_ls.is_empty() {
        return Err(RecoverError::Unnamed(survivor.name.clone()));
    }
    Ok(Member { id: survivor.member.0, name, peer_ur_ls, client_ur_ls: listed.client_ur_ls, is_learner: false })
}
