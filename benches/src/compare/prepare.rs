//! Prepares the keys that the measurements of one [`Group`](super::rows::Group) read. First writes all keys and some
//! extra keys. The revision that the server has then is called the old revision. Then deletes the extra keys, creates
//! others, and overwrites a part of the keys. So a measurement that reads at the old revision finds other keys and
//! values than one that reads at the newest revision.

use anyhow::Result;
use bytes::Bytes;
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::kv_client::KvClient;

use crate::load::connection::{Connection, Endpoint};
use crate::load::keys::{Keys, Values};
use crate::load::preload::{count, put_all};
use crate::pace;

/// Some measurements read at an old revision. At that revision there are `keys.count / CHURN` extra keys, which do not
/// belong to `keys`. They are deleted after it, and as many other extra keys are created.
const CHURN: u64 = 1000;

/// After the old revision, the first `keys.count / OVERWRITTEN` keys are overwritten.
const OVERWRITTEN: u64 = 10;

/// The prepared data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prepared {
    /// The revision at which all keys are written and none is changed yet.
    pub old_revision: i64,
    /// Number of extra keys, which are not keys of the load. The extra keys have the same prefix and come after the
    /// keys of the load in order. There are as many now as at the old revision, but not the same ones.
    pub extra: u64,
}

/// Writes `keys` and some other keys, which come after them in order. Then deletes those other keys, creates as many
/// new ones, and overwrites a part of `keys`.
pub(super) fn prepare(endpoint: &Endpoint, keys: &Keys, values: &Values) -> Result<Prepared> {
    let extra = keys.count / CHURN;
    let behind = |letter| Keys { prefix: format!("{}{letter}", keys.prefix), count: extra };
    let (leaving, coming) = (behind("x"), behind("y"));
    pace::runtime()?.block_on(async {
        put_all(endpoint, keys, values).await?;
        put_all(endpoint, &leaving, values).await?;
        let (_, old_revision) = count(endpoint, keys).await?;
        delete(endpoint, &leaving).await?;
        put_all(endpoint, &coming, values).await?;
        put_all(endpoint, &Keys { count: keys.count / OVERWRITTEN, ..keys.clone() }, values).await?;
        Ok(Prepared { old_revision, extra })
    })
}

async fn delete(endpoint: &Endpoint, keys: &Keys) -> Result<()> {
    let mut kv = KvClient::with_origin(Connection::open(endpoint).await?, endpoint.origin());
    let (key, range_end) = (Bytes::from(keys.prefix.clone()), keys.end());
    kv.delete_range(pb::DeleteRangeRequest { key, range_end, ..Default::default() }).await?;
    Ok(())
}
