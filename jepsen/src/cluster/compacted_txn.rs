//! [`compacted_txn`]: a transaction that reads a compacted revision ends alike on all members.

use std::path::Path;

use anyhow::{Context, ensure};
use futures::future::{join, join_all};
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::request_op::Request;
use tonic::Status;
use tonic::transport::Channel;

use super::members::{Members, put};

/// How many compactions there are.
const ROUNDS: usize = 20;
const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";
const KEY: &str = "old";

/// Reads a key at a revision and puts another one, in one transaction.
async fn read_and_put(mut client: KvClient<Channel>, revision: i64, key: String) -> (String, Result<(), Status>) {
    let range = pb::RangeRequest { key: KEY.into(), revision, ..pb::RangeRequest::default() };
    let put = pb::PutRequest { key: key.clone().into(), ..pb::PutRequest::default() };
    let both = [Request::RequestRange(range), Request::RequestPut(put)];
    let success = both.into_iter().map(|request| pb::RequestOp { request: Some(request) }).collect();
    let outcome = client.txn(pb::TxnRequest { success, ..pb::TxnRequest::default() }).await;
    (key, outcome.map(drop))
}

/// Three members. Again and again the store is compacted through one of them, while transactions through all of them
/// read a revision that this compaction removes. Each transaction is either done as a whole or refused with etcd's
/// error, and all members agree on that. Once the compaction is done, every member refuses such transactions.
///
/// # Errors
/// If one of these statements does not hold, or members differ.
pub fn compacted_txn(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut all = Members::start(program, folder, 3, &[])?;
    let (mut done, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let old = all.call(put(all.url(round % 3), KEY, vec![1]))?;
        let revision = all.call(put(all.url((round + 1) % 3), KEY, vec![2]))?;
        let transactions = |when: &str| {
            let clients = (0..9).map(|number| (number, KvClient::new(all.channel(number % 3))));
            join_all(clients.map(|(number, client)| read_and_put(client, old, format!("{when}/{round}/{number}"))))
        };
        let mut compactor = KvClient::new(all.channel(round % 3));
        let compact = compactor.compact(pb::CompactionRequest { revision, physical: false });
        let (compacted, outcomes) = all.call(join(compact, transactions("while")));
        compacted.context("compact")?;
        let after = all.call(transactions("after"));
        for (key, outcome) in &after {
            ensure!(is_compacted(outcome), "{key}: a transaction at revision {old} of {revision}: {outcome:?}");
        }
        for (key, outcome) in outcomes.into_iter().chain(after) {
            ensure!(outcome.is_ok() || is_compacted(&outcome), "{key}: {outcome:?}");
            if outcome.is_ok() {
                done += 1
            } else {
                refused += 1
            }
            for member in 0..3 {
                let range = pb::RangeRequest { key: key.clone().into(), ..pb::RangeRequest::default() };
                let found = all.call(KvClient::new(all.channel(member)).range(range))?.into_inner().kvs;
                ensure!(found.is_empty() == outcome.is_err(), "{key} on member {member}: {found:?}, {outcome:?}");
            }
        }
    }
    println!("{done} transactions were done, {refused} refused");
    all.compare()
}

fn is_compacted(outcome: &Result<(), Status>) -> bool {
    outcome.as_ref().is_err_and(|status| status.message() == COMPACTED)
}
