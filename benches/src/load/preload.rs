//! Writes the keys that the load will read, before it starts.

use anyhow::{Context, Result, ensure};
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::kv_client::KvClient;

use super::connection::{Connection, Endpoint};
use super::keys::{Keys, Values};
use crate::pace;

/// Number of transactions in flight at once.
const LANES: u64 = 16;

/// Number of puts in one transaction. etcd's own limit is 128 (`--max-txn-ops`).
const PUTS_PER_TXN: u64 = 100;

/// Bytes of values in one transaction. etcd's own limit is 1.5 MiB (`--max-request-bytes`).
const TXN_BYTES_MAX: usize = 1 << 20;

/// Keys are written in steps of this size. This spreads the revisions of neighbouring keys, as the use of a store does
/// over time. The step is a prime, so the steps reach every key unless the number of keys is a multiple of the step.
const SCATTER: u64 = 7919;

/// etcd's error message when it is overloaded. etcd has not carried out the request, so the request may be repeated.
const TOO_MANY_REQUESTS: &str = "etcdserver: too many requests";

/// Pause before a transaction with this error is repeated.
const REST: std::time::Duration = std::time::Duration::from_millis(20);

/// How long one transaction is repeated because of this error.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// How long a server may take to count the keys.
const COUNT_LIMIT: std::time::Duration = std::time::Duration::from_secs(120);

/// Writes every key of `keys`, unless all exist. Returns the revision after that.
pub fn preload(endpoint: &Endpoint, keys: &Keys, values: &Values) -> Result<i64> {
    pace::runtime()?.block_on(async {
        if count(endpoint, keys).await?.0 == keys.count {
            return Ok(count(endpoint, keys).await?.1);
        }
        put_all(endpoint, keys, values).await?;
        let (found, revision) = count(endpoint, keys).await?;
        ensure!(found == keys.count, "{} keys were put below {:?}, {found} are there", keys.count, keys.prefix);
        Ok(revision)
    })
}

/// Number of keys with the prefix, and the current revision.
pub async fn count(endpoint: &Endpoint, keys: &Keys) -> Result<(u64, i64)> {
    let mut kv = KvClient::with_origin(Connection::open(endpoint).await?, endpoint.origin());
    let request = pb::RangeRequest {
        key: keys.prefix.clone().into(),
        range_end: keys.end(),
        count_only: true,
        ..Default::default()
    };
    let answer = pace::within(COUNT_LIMIT, kv.range(request)).await.context("counting keys")??.into_inner();
    let revision = answer.header.context("an answer without a header")?.revision;
    Ok((answer.count.cast_unsigned(), revision))
}

/// Puts every key once, in transactions.
pub async fn put_all(endpoint: &Endpoint, keys: &Keys, values: &Values) -> Result<()> {
    let connection = Connection::open(endpoint).await?;
    let lanes = (0..LANES).map(|lane| put_lane(&connection, endpoint, keys, values, lane));
    futures::future::try_join_all(lanes).await?;
    Ok(())
}

async fn put_lane(connection: &Connection, endpoint: &Endpoint, keys: &Keys, values: &Values, lane: u64) -> Result<()> {
    let mut kv = KvClient::with_origin(connection.clone(), endpoint.origin());
    let per_txn = (TXN_BYTES_MAX / (values.value().len() + 64)).clamp(1, PUTS_PER_TXN as usize);
    let mut first = lane * per_txn as u64;
    while first < keys.count {
        let put = |n| {
            let put =
                pb::PutRequest { key: keys.key(scattered(n, keys.count)), value: values.value(), ..Default::default() };
            pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put)) }
        };
        let success = (first..keys.count.min(first + per_txn as u64)).map(put).collect();
        put_txn(&mut kv, pb::TxnRequest { success, ..Default::default() }).await?;
        first += LANES * per_txn as u64;
    }
    Ok(())
}

/// Makes one transaction of puts, and repeats it while the server is overloaded.
async fn put_txn(kv: &mut KvClient<Connection>, txn: pb::TxnRequest) -> Result<()> {
    let begun = pace::now();
    loop {
        match kv.txn(txn.clone()).await {
            Err(status) if status.message() == TOO_MANY_REQUESTS && begun.elapsed() < PATIENCE => {
                pace::pause(REST).await;
            }
            answer => return answer.map(drop).context("preloading keys"),
        }
    }
}

/// A permutation of the numbers below `count`.
fn scattered(n: u64, count: u64) -> u64 {
    if count.is_multiple_of(SCATTER) { n } else { n * SCATTER % count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_put_once() {
        for count in [1, 2, 1000, SCATTER, 3 * SCATTER] {
            let mut numbers: Vec<_> = (0..count).map(|n| scattered(n, count)).collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..count), "{count}");
        }
    }
}
