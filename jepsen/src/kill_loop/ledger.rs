//! All writes that were ever acknowledged, and what must hold for them after a restart.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, ensure};
use naxos_proto::etcd::client::etcdserverpb::RangeRequest;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use tonic::transport::{Channel, Endpoint};

use super::writes::{self, Acknowledged, Written};
use crate::differential::dice::Dice;

/// At most this many acknowledged writes are read at their own revision in each check.
const READ_BACK: u64 = 50;

/// The acknowledged writes of all rounds.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The acknowledged writes by revision.
    acknowledged: BTreeMap<i64, Acknowledged>,
    /// The newest acknowledged write of each key.
    newest: BTreeMap<Vec<u8>, Acknowledged>,
    /// The number of each writer's next put.
    next: BTreeMap<u32, u64>,
    /// The highest revision that the server ever showed.
    revision: i64,
    unanswered: u64,
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (acknowledged, unanswered) = (self.acknowledged.len(), self.unanswered);
        write!(f, "{acknowledged} acknowledged, {unanswered} unanswered, revision {}", self.revision)
    }
}

impl Ledger {
    /// The number of a writer's next put: one more than the number of its last put, or 0 if it has made none.
    pub fn next_of(&self, writer: u32) -> u64 {
        self.next.get(&writer).copied().unwrap_or(0)
    }

    /// How many writes were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// The revisions of the acknowledged writes.
    pub fn revisions(&self) -> impl Iterator<Item = i64> {
        self.acknowledged.keys().copied()
    }

    /// Adds what a writer has done.
    ///
    /// # Errors
    /// If a revision was used twice.
    pub fn enter(&mut self, written: Written) -> anyhow::Result<()> {
        self.next.insert(written.writer, written.next);
        self.unanswered += 1;
        for write in written.acknowledged {
            let other = self.acknowledged.insert(write.revision, write);
            ensure!(other.is_none(), "revision {} acknowledged twice: {other:?}, {write:?}", write.revision);
            self.newest.insert(writes::key(write.writer, write.number), write);
            self.revision = self.revision.max(write.revision);
        }
        Ok(())
    }

    /// Reads all keys back and checks them.
    ///
    /// # Errors
    /// If a write is lost or changed, if the revision went back, or if a read fails.
    pub async fn check(&mut self, url: &str, dice: &mut Dice) -> anyhow::Result<()> {
        let mut client =
            KvClient::new(Endpoint::from_shared(url.to_owned())?.connect().await?).max_decoding_message_size(64 << 20);
        let range = RangeRequest { key: "writer/".into(), range_end: "writer0".into(), ..RangeRequest::default() };
        let answer = client.range(range).await.context("read everything")?.into_inner();
        let revision = answer.header.context("the answer has no header")?.revision;
        ensure!(revision >= self.revision, "the revision went back from {} to {revision}", self.revision);
        self.revision = revision;
        let there: BTreeMap<&[u8], (u64, i64)> = answer
            .kvs
            .iter()
            .map(|kv| (&kv.key[..], (writes::number(&kv.value).unwrap_or(u64::MAX), kv.mod_revision)))
            .collect();
        for (key, write) in &self.newest {
            let name = String::from_utf8_lossy(key);
            let found = there.get(&key[..]).copied();
            let (number, at) = found.with_context(|| format!("{name} is lost, although {write:?} was acknowledged"))?;
            let whole = number >= write.number && number < self.next_of(write.writer);
            let moved = if number == write.number { at == write.revision } else { at > write.revision };
            ensure!(whole && moved, "{name} has number {number} at revision {at}, although {write:?} was acknowledged");
        }
        for (key, (number, at)) in &there {
            let name = String::from_utf8_lossy(key);
            let owner = self.acknowledged.get(at);
            let own = owner.is_none_or(|owner| owner.number == *number && writes::key(owner.writer, *number) == *key);
            ensure!(
                own,
                "{name} has number {number} at revision {at}, but at this revision {owner:?} was acknowledged"
            );
        }
        self.read_back(&mut client, dice).await
    }

    /// Reads some writes at their own revisions.
    async fn read_back(&self, client: &mut KvClient<Channel>, dice: &mut Dice) -> anyhow::Result<()> {
        for _ in 0..READ_BACK {
            let from = dice.below_signed(self.revision + 1);
            let Some((_, write)) = self.acknowledged.range(from..).next() else { continue };
            let key = writes::key(write.writer, write.number);
            let range = RangeRequest { key: key.into(), revision: write.revision, ..RangeRequest::default() };
            let answer = client.range(range).await.with_context(|| format!("read back {write:?}"))?.into_inner();
            let found = answer.kvs.first().and_then(|kv| writes::number(&kv.value));
            ensure!(found == Some(write.number), "at revision {} there is {found:?}, not {write:?}", write.revision);
        }
        Ok(())
    }
}
