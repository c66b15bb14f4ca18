//! [`Members`]: real processes, and what a client reads and writes through each of them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::control::{UnitStatus, UnitsRequest};
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use naxos_proto::etcd::client::etcdserverpb::watch_request::RequestUnion;
use naxos_proto::etcd::client::etcdserverpb::{
    HashKvRequest, PutRequest, RangeRequest, WatchCreateRequest, WatchRequest,
};
use tokio::runtime::Runtime;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::{NAMES, start_all};
use crate::etcd_server::EtcdServer;
use crate::pace;

/// How long a write is tried while the log is being reconfigured.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// The time between two attempts.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// A connection to the member at `url`, which is made when it is needed.
pub(super) fn channel(url: &str) -> Channel {
    Endpoint::from_shared(url.to_owned()).expect("a URL").connect_lazy()
}

/// Puts a key through the member at `url`. Returns the revision.
pub(super) async fn put(url: &str, key: &str, value: Vec<u8>) -> anyhow::Result<i64> {
    let mut client = KvClient::new(channel(url));
    let end = pace::now() + WRITE_LIMIT;
    loop {
        let put = PutRequest { key: key.to_owned().into(), value: value.clone().into(), ..PutRequest::default() };
        match pace::within(WRITE_LIMIT, client.put(put)).await {
            Some(Ok(answer)) => return Ok(answer.into_inner().header.context("the answer has no header")?.revision),
            outcome if pace::now() >= end => anyhow::bail!("{url} takes no write: {outcome:?}"),
            _ => pace::pause(TRY_AGAIN).await,
        }
    }
}

/// Asks for a watch of all keys from this revision on.
pub(super) fn watch_of_all(start_revision: i64) -> WatchRequest {
    let (key, range_end) = (vec![0].into(), vec![0].into());
    let create = WatchCreateRequest { key, range_end, start_revision, ..WatchCreateRequest::default() };
    WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}

/// Asks for the number of all keys.
fn all_keys() -> RangeRequest {
    RangeRequest { key: vec![0].into(), range_end: vec![0].into(), count_only: true, ..RangeRequest::default() }
}

/// The hash of everything at `revision`, and the number of keys now, according to the member at `url`.
async fn state(url: &str, revision: i64) -> anyhow::Result<(u32, i64)> {
    let count = KvClient::new(channel(url)).range(all_keys()).await?.into_inner().count;
    let hash = MaintenanceClient::new(channel(url)).hash_kv(HashKvRequest { revision }).await?.into_inner().hash;
    Ok((hash, count))
}

/// The members, by their numbers.
pub(super) struct Members {
    runtime: Runtime,
    pub(super) members: Vec<EtcdServer>,
    next: u64,
}

impl Members {
    /// Three listed members with an empty store, of which the first `started` are started.
    pub(super) fn start(program: &Path, folder: &Path, started: usize, flags: &[&str]) -> anyhow::Result<Self> {
        Self::of(EtcdServer::members(program, folder, &NAMES[..3], flags), started)
    }

    /// These members, of which the first `started` are started.
    pub(super) fn of(mut members: Vec<EtcdServer>, started: usize) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        start_all(&mut members[..started])?;
        Ok(Self { runtime, members, next: 0 })
    }

    /// Starts a member that does not run.
    pub(super) fn start_member(&mut self, member: usize) -> anyhow::Result<()> {
        self.members[member].try_start().map_err(anyhow::Error::msg)
    }

    /// Kills all members, and starts all of them again.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        self.members.iter_mut().for_each(EtcdServer::kill);
        start_all(&mut self.members).context("start all again")
    }

    /// Runs a call of a client.
    pub(super) fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    /// As [`channel`], to one of the members.
    pub(super) fn channel(&self, member: usize) -> Channel {
        let _inside = self.runtime.enter();
        channel(self.url(member))
    }

    pub(super) fn url(&self, member: usize) -> &str {
        self.members[member].client_url()
    }

    /// Makes `puts` puts with values of 100 kB, through the members in `there` in turn. Returns the last revision.
    pub(super) fn write(&mut self, there: &[usize], puts: u64) -> anyhow::Result<i64> {
        let mut revision = 0;
        for _ in 0..puts {
            let url = self.url(there[usize::try_from(self.next).expect("few writes") % there.len()]);
            let key = format!("key/{:05}", self.next % 150);
            revision = self.runtime.block_on(put(url, &key, vec![b'x'; 100_000]))?;
            self.next += 1;
        }
        Ok(revision)
    }

    /// Repeats a call of a client until it succeeds, for `limit` at most.
    pub(super) fn until_done<T>(
        &self,
        limit: Duration,
        mut call: impl AsyncFnMut() -> Result<T, Status>,
    ) -> anyhow::Result<T> {
        let end = pace::now() + limit;
        loop {
            match self.call(call()) {
                Ok(done) => return Ok(done),
                Err(status) => ensure!(pace::now() < end, "it fails for too long: {status}"),
            }
            pace::sleep(TRY_AGAIN);
        }
    }

    /// Waits until each segment of the log names only storage units that are there and that have all its cells, for `limit` at
    /// most.
    pub(super) fn await_all_copies(&self, limit: Duration) -> anyhow::Result<()> {
        let end = pace::now() + limit;
        loop {
            let asked = self.call(async {
                let asked = ControlClient::new(channel(self.url(0))).units(UnitsRequest {}).await;
                asked.map(tonic::Response::into_inner)
            });
            let is_whole = |unit: &UnitStatus| !unit.is_lost && unit.silent == 0 && unit.lacks == 0;
            if asked.as_ref().is_ok_and(|found| found.seen == found.segments && found.units.iter().all(is_whole)) {
                return Ok(());
            }
            ensure!(pace::now() < end, "a segment has a copy too few: {asked:?}");
            pace::sleep(TRY_AGAIN);
        }
    }

    /// The number of keys, according to one of the members.
    pub(super) fn keys(&self, member: usize) -> anyhow::Result<i64> {
        let range = all_keys();
        Ok(self.call(KvClient::new(self.channel(member)).range(range))?.into_inner().count)
    }

    /// Checks that all members have the same state, after a write through each of them.
    pub(super) fn compare(&mut self) -> anyhow::Result<()> {
        self.compare_of(&(0..self.members.len()).collect::<Vec<_>>())
    }

    /// As [`Self::compare`], of some of the members.
    pub(super) fn compare_of(&mut self, there: &[usize]) -> anyhow::Result<()> {
        let mut revision = 0;
        for member in there {
            revision = self.runtime.block_on(put(self.url(*member), "last", vec![b'y']))?;
        }
        let states = there.iter().map(|member| self.runtime.block_on(state(self.url(*member), revision)));
        let states = states.collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(states.iter().all(|state| *state == states[0]), "the members differ: {states:?}");
        Ok(())
    }
}
