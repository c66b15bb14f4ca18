//! [`EtcdPass`]: makes the file from its first page to its last one, in steps. Two passes over the same rows make the same
//! bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::RowKey;
use naxos_engines::local_store::FixedRows;
use naxos_proto::codec::DecodeError;
use naxos_proto::etcd::server::etcdserverpb::Member;
use prost::Message;

use super::backup_error::BackupError;
use super::facts::Facts;
use super::lease::Lease;
use super::names::{self, revision_name};
use crate::bolt::BoltWriter;
use crate::state::index::revision_key::RevisionKey;
use crate::state::rows;
use crate::version;

/// Bytes of rows that one step reads. It reads more only if a single row has more.
const STEP_BYTES: usize = 256 << 10;

/// The bucket that is being written, and the name of the next row.
enum Stage {
    Small,
    Leases(RowKey),
    KeyValues(RowKey),
}

/// See the module.
pub(super) struct EtcdPass {
    rows: Arc<FixedRows>,
    facts: Arc<Facts>,
    writer: BoltWriter,
    stage: Stage,
}

impl EtcdPass {
    pub(super) fn new(rows: Arc<FixedRows>, facts: Arc<Facts>) -> Self {
        Self { rows, facts, writer: BoltWriter::new(), stage: Stage::Small }
    }

    /// Writes some rows. Returns the meta pages when no row is left, and `None` before that.
    pub(super) fn step(&mut self) -> Result<Option<Bytes>, BackupError> {
        let store = self.facts.store;
        let (leases, key_values) = (rows::whole(store, rows::LEASES), rows::whole(store, rows::KEY_VALUES));
        match &self.stage {
            Stage::Small => {
                for (name, items) in small_buckets(&self.facts) {
                    self.writer.begin_bucket(name);
                    for (key, value) in items {
                        self.writer.put(key, value)?;
                    }
                }
                self.writer.begin_bucket(names::LEASE);
                self.stage = Stage::Leases(leases.0);
            }
            Stage::Leases(from) => {
                let found = self.rows.scan(from, &leases.1, STEP_BYTES)?;
                let next = after_last(&found);
                for (name, value) in found {
                    let ttl =
                        value[..].try_into().map(i64::from_le_bytes).map_err(|_| damaged("has no time-to-live"))?;
                    let id = rows::number(&name).cast_signed();
                    let lease = Lease { id, ttl, remaining: 0 }.encode_to_vec();
                    self.writer.put(Bytes::copy_from_slice(&id.to_be_bytes()), lease.into())?;
                }
                self.stage = match next {
                    Some(next) => Stage::Leases(next),
                    None => {
                        self.writer.begin_bucket(names::KEY);
                        Stage::KeyValues(key_values.0)
                    }
                };
            }
            Stage::KeyValues(from) => {
                let found = self.rows.scan(from, &key_values.1, STEP_BYTES)?;
                let Some(next) = after_last(&found) else { return Ok(Some(self.writer.finish())) };
                for (name, value) in found {
                    let (at, deleted) = rows::revision_of(&name);
                    self.writer.put(revision_name(at, deleted), value)?;
                }
                self.stage = Stage::KeyValues(next);
            }
        }
        Ok(None)
    }

    /// Takes the pages that were made since the last call. Returns their bytes.
    pub(super) fn take_pages(&mut self) -> Bytes {
        self.writer.take_pages()
    }
}

fn damaged(rule: &'static str) -> BackupError {
    DecodeError::Rule { what: "a row of the local store", rule }.into()
}

/// The smallest name after the last of these rows.
fn after_last(rows: &[naxos_engines::local_store::Row]) -> Option<RowKey> {
    Some(rows.last()?.0.clone().after())
}

type Items = BTreeMap<Bytes, Bytes>;

/// A member as etcd writes it.
#[derive(serde::Serialize)]
struct MemberJson<'a> {
    id: u64,
    #[serde(rename = "peerURLs")]
    peer_urls: &'a [String],
    #[serde(rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(rename = "clientURLs", skip_serializing_if = "<[String]>::is_empty")]
    client_urls: &'a [String],
}

/// The voters as etcd's raft writes them.
#[derive(serde::Serialize)]
struct ConfStateJson {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    voters: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    learners: Vec<u64>,
    auto_leave: bool,
}

fn json(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).expect("plain fields are JSON").into()
}

fn member_name(id: u64) -> Bytes {
    format!("{id:x}").into()
}

fn member_json(member: &Member) -> Bytes {
    json(&MemberJson {
        id: member.id,
        peer_urls: &member.peer_ur_ls,
        is_learner: member.is_learner,
        name: &member.name,
        client_urls: &member.client_ur_ls,
    })
}

fn meta(facts: &Facts) -> Items {
    let (learners, voters): (Vec<&Member>, Vec<&Member>) = facts.members.iter().partition(|member| member.is_learner);
    let ids = |members: Vec<&Member>| members.into_iter().map(|member| member.id).collect();
    let conf_state = ConfStateJson { voters: ids(voters), learners: ids(learners), auto_leave: false };
    let number = |n: u64| Bytes::copy_from_slice(&n.to_be_bytes());
    let mut items = BTreeMap::from([
        (names::CONF_STATE, json(&conf_state)),
        // etcd takes 0 for a position that was not loaded.
        (names::CONSISTENT_INDEX, number(facts.index.max(1))),
        (names::STORAGE_VERSION, Bytes::from_static(version::ETCD_STORAGE.as_bytes())),
        (names::TERM, number(facts.term.max(1))),
    ]);
    if facts.compacted > 0 {
        let at = revision_name(RevisionKey { main: facts.compacted, sub: 0 }, false);
        items.insert(names::SCHEDULED_COMPACT, at.clone());
        // Without this, etcd goes on with the compaction when it starts.
        if facts.is_compacted_wholly {
            items.insert(names::FINISHED_COMPACT, at);
        }
    }
    items.into_iter().map(|(name, value)| (Bytes::from_static(name.as_bytes()), value)).collect()
}

/// All buckets but those of leases and keys. Naxos has no authentication yet, so the buckets of authentication are
/// empty.
fn small_buckets(facts: &Facts) -> BTreeMap<&'static str, Items> {
    let cluster =
        (Bytes::from_static(names::CLUSTER_VERSION.as_bytes()), Bytes::from_static(version::ETCD_CLUSTER.as_bytes()));
    let removed = |id: &u64| (member_name(*id), Bytes::from_static(b"removed"));
    BTreeMap::from([
        (names::ALARM, facts.alarms.iter().map(|alarm| (alarm.encode_to_vec().into(), Bytes::new())).collect()),
        (names::AUTH, Items::new()),
        (names::AUTH_ROLES, Items::new()),
        (names::AUTH_USERS, Items::new()),
        (names::CLUSTER, Items::from([cluster])),
        (names::MEMBERS, facts.members.iter().map(|member| (member_name(member.id), member_json(member))).collect()),
        (names::MEMBERS_REMOVED, facts.removed.iter().map(removed).collect()),
        (names::META, meta(facts)),
    ])
}
