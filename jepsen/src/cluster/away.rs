//! [`away`]: a member is away until the others have trimmed the log beyond what it has applied. It comes back by a
//! snapshot.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use naxos_proto::etcd::client::etcdserverpb::{HashKvRequest, PutRequest, RangeRequest};
use rustix::process::Signal;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

use super::start_all;
use crate::etcd_server::EtcdServer;
use crate::pace;

/// With this limit a single segment of the journal is too large already, so every member that does not move is ejected.
const HELD_LOG: &str = "--naxos-held-log-bytes=60000000";
/// How long it may take until a member that is away is ejected.
const EJECT_LIMIT: Duration = Duration::from_secs(30);
/// How long a member may take to come back.
const BACK_LIMIT: Duration = Duration::from_secs(60);
/// How long a trim may take after the ejection.
const TRIM_TIME: Duration = Duration::from_secs(2);
/// A pause between some writes, so that the members have little to copy.
const BETWEEN_WRITES: Duration = Duration::from_millis(100);
/// How long a write is tried while the log is being reconfigured.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// What members log.
const EJECTED: &str = "a member that is away holds back too much of the log";
const INSTALLED: &str = "the snapshot is installed";
const AGAIN: &str = "starting again from a snapshot";
const SERVES: &str = "ready to serve client requests";

fn channel(url: &str) -> Channel {
    Endpoint::from_shared(url.to_owned()).expect("a URL").connect_lazy()
}

/// Puts a key through the member at `url`. Returns the revision.
async fn put(url: &str, key: &str, value: Vec<u8>) -> anyhow::Result<i64> {
    let mut client = KvClient::new(channel(url));
    let end = pace::now() + WRITE_LIMIT;
    loop {
        let put = PutRequest { key: key.to_owned().into(), value: value.clone().into(), ..PutRequest::default() };
        match pace::within(WRITE_LIMIT, client.put(put)).await {
            Some(Ok(answer)) => return Ok(answer.into_inner().header.context("an answer has a header")?.revision),
            outcome if pace::now() >= end => anyhow::bail!("{url} takes no write: {outcome:?}"),
            _ => pace::pause(Duration::from_millis(50)).await,
        }
    }
}

/// The hash of everything at `revision` according to the member at `url`, and the number of keys there.
async fn state(url: &str, revision: i64) -> anyhow::Result<(u32, i64)> {
    let all =
        RangeRequest { key: vec![0].into(), range_end: vec![0].into(), count_only: true, ..RangeRequest::default() };
    let count = KvClient::new(channel(url)).range(all).await?.into_inner().count;
    let hash = MaintenanceClient::new(channel(url)).hash_kv(HashKvRequest { revision }).await?.into_inner().hash;
    Ok((hash, count))
}

/// The members, by their numbers.
struct Members {
    runtime: Runtime,
    members: Vec<EtcdServer>,
    next: u64,
}

impl Members {
    fn url(&self, member: usize) -> &str {
        self.members[member].client_url()
    }

    /// Writes `puts` keys of 100 kB through the two members that are there.
    fn write(&mut self, there: [usize; 2], puts: u64) -> anyhow::Result<i64> {
        let mut revision = 0;
        for _ in 0..puts {
            let url = self.url(there[usize::try_from(self.next % 2).expect("0 or 1")]);
            let key = format!("key/{:05}", self.next % 150);
            revision = self.runtime.block_on(put(url, &key, vec![b'x'; 100_000]))?;
            self.next += 1;
        }
        Ok(revision)
    }

    /// Writes until the member that is away was ejected and the log is trimmed.
    fn write_until_ejected(&mut self, there: [usize; 2]) -> anyhow::Result<()> {
        let from = there.map(|member| self.members[member].log().length());
        let end = pace::now() + EJECT_LIMIT;
        let is_ejected = |members: &[EtcdServer]| {
            let told = |(member, from): (usize, usize)| members[member].log().wait_for(from, EJECTED, Duration::ZERO);
            there.into_iter().zip(from).any(told)
        };
        while !is_ejected(&self.members) {
            self.write(there, 3)?;
            pace::sleep(BETWEEN_WRITES);
            ensure!(pace::now() < end, "the member that is away is not ejected");
        }
        pace::sleep(TRIM_TIME);
        self.write(there, 1)?;
        Ok(())
    }

    /// Checks that all members have the same state, after a write through each of them.
    fn compare(&mut self) -> anyhow::Result<()> {
        let mut revision = 0;
        for member in 0..self.members.len() {
            revision = self.runtime.block_on(put(self.url(member), "last", vec![b'y']))?;
        }
        let states = (0..self.members.len()).map(|member| self.runtime.block_on(state(self.url(member), revision)));
        let states = states.collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(states.iter().all(|state| *state == states[0]), "the members differ: {states:?}");
        Ok(())
    }
}

/// Three members. One is killed, and started again when the others have trimmed the log. Then another one is frozen for
/// as long, and goes on.
///
/// # Errors
/// If one of them does not come back by a snapshot, or members differ.
pub fn away(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut servers = EtcdServer::members(program, folder, &["a", "b", "c"], &[HELD_LOG]);
    start_all(&mut servers)?;
    let mut all = Members { runtime, members: servers, next: 0 };
    all.write([0, 1], 20)?;

    all.members[2].kill();
    all.write_until_ejected([0, 1])?;
    let from = all.members[2].log().length();
    all.members[2].try_start().map_err(anyhow::Error::msg).context("start the member that was away")?;
    ensure!(all.members[2].log().wait_for(from, INSTALLED, Duration::ZERO), "it came back without a snapshot");
    all.compare().context("after a start with a snapshot")?;

    all.members[1].process().signal(Signal::STOP);
    all.write_until_ejected([0, 2])?;
    let from = all.members[1].log().length();
    all.members[1].process().signal(Signal::CONT);
    for line in [AGAIN, INSTALLED, SERVES] {
        let log = all.members[1].log();
        ensure!(
            log.wait_for(from, line, BACK_LIMIT),
            "the member that was frozen never says {line:?}:\n{}",
            log.tail()
        );
    }
    all.compare().context("after a start within the process")
}
