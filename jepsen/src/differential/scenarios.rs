//! Cases that random requests would not reach, or that take time: expiry, the quota's alarm, fragments, timed
//! progress.

use std::time::Duration;

use anyhow::{bail, ensure};
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::AlarmType;
use pb::alarm_request::AlarmAction;
use pb::request_op::Request as Op;

use super::answer::Answer;
use super::request::Request;
use super::run::{Run, all_of};
use super::watches::Pair;
use crate::pace;

/// After this time a lease with the shortest lifetime has ended on any machine.
const EXPIRY_LIMIT: Duration = Duration::from_secs(30);
/// Two values of this size fit into one request.
const HALF_OF_A_REQUEST_BYTES: usize = 700_000;
/// Three values of this size do not fit into one fragment of a watch answer.
const LARGE_VALUE_BYTES: usize = 900_000;

impl Run {
    /// Plays every scenario on the data that the random requests have left.
    ///
    /// # Errors
    /// The first difference.
    pub(super) async fn play(&mut self) -> anyhow::Result<()> {
        self.compare_watches().await?;
        self.timed_progress().await?;
        self.pairs().clear();
        self.every_hash().await?;
        self.an_expired_lease_takes_its_keys_along().await?;
        self.the_alarm_lets_only_reads_and_deletes_through().await?;
        self.large_events_come_in_fragments().await?;
        self.a_transaction_reads_the_past_after_it_has_written().await?;
        self.the_hash_of_nothing().await?;
        self.everything_as_of_now().await
    }

    async fn timed_progress(&mut self) -> anyhow::Result<()> {
        let revision = self.known.revision;
        for pair in self.pairs() {
            pair.notified(revision).await?;
        }
        Ok(())
    }

    async fn every_hash(&mut self) -> anyhow::Result<()> {
        let (first, last) = (self.known.compacted - 1, self.known.revision + 1);
        for revision in (first..=last).step_by(7).chain(last - 3..=last) {
            self.hash(revision).await?;
        }
        Ok(())
    }

    async fn an_expired_lease_takes_its_keys_along(&mut self) -> anyhow::Result<()> {
        let id = 1_234_567;
        let mut pair = Pair::open(&self.reference, &self.subject);
        let create =
            pb::WatchCreateRequest { key: "leased/".into(), range_end: "leased0".into(), ..Default::default() };
        pair.create(pb::WatchCreateRequest { prev_kv: true, ..create.clone() }, self.known.compacted).await?;
        self.ask(&Request::LeaseGrant(pb::LeaseGrantRequest { ttl: 2, id })).await?;
        let keys = ["leased/b", "leased/a", "leased/c"];
        let puts = keys.map(|key| {
            let put = pb::PutRequest { key: key.into(), lease: id, ..Default::default() };
            pb::RequestOp { request: Some(Op::RequestPut(put)) }
        });
        self.ask(&Request::Txn(pb::TxnRequest { success: puts.to_vec(), ..Default::default() })).await?;
        let range =
            Request::Range(pb::RangeRequest { key: create.key, range_end: create.range_end, ..Default::default() });
        let end = pace::now() + EXPIRY_LIMIT;
        loop {
            let (theirs, ours) = (self.reference.answer(&range).await, self.subject.answer(&range).await);
            match (&theirs, &ours) {
                (Answer::Range(theirs), Answer::Range(ours)) if theirs.kvs.is_empty() && ours.kvs.is_empty() => break,
                _ if pace::now() > end => bail!("the lease does not end:\nreference: {theirs:?}\nsubject: {ours:?}"),
                _ => pace::pause(Duration::from_millis(100)).await,
            }
        }
        self.ask(&range).await?;
        self.pairs().push(pair);
        self.compare_watches().await?;
        self.pairs().clear();
        self.ask(&Request::LeaseTimeToLive(pb::LeaseTimeToLiveRequest { id, keys: true })).await?;
        Ok(())
    }

    async fn the_alarm_lets_only_reads_and_deletes_through(&mut self) -> anyhow::Result<()> {
        let put = pb::PutRequest { key: "full".into(), value: "x".into(), ..Default::default() };
        let delete = pb::DeleteRangeRequest { key: "full".into(), ..Default::default() };
        let putting = Op::RequestPut(put.clone());
        let deleting = Op::RequestDeleteRange(delete.clone());
        let txn = |op| {
            let success = vec![pb::RequestOp { request: Some(op) }];
            Request::Txn(pb::TxnRequest { success, ..Default::default() })
        };
        let nested = Op::RequestTxn(pb::TxnRequest {
            failure: vec![pb::RequestOp { request: Some(putting.clone()) }],
            ..Default::default()
        });
        self.ask(&Request::Put(put.clone())).await?;
        let requests = [
            Request::Alarm(AlarmAction::Activate, AlarmType::Nospace),
            Request::Alarm(AlarmAction::Get, AlarmType::None),
            Request::Alarm(AlarmAction::Get, AlarmType::Corrupt),
            Request::Put(put.clone()),
            Request::Put(pb::PutRequest::default()),
            txn(putting),
            txn(nested),
            txn(deleting),
            Request::LeaseGrant(pb::LeaseGrantRequest { ttl: 5_000, id: 4_321 }),
            Request::Range(pb::RangeRequest { key: "full".into(), ..Default::default() }),
            Request::DeleteRange(delete),
            Request::Compact(pb::CompactionRequest { revision: self.known.revision, physical: true }),
            Request::Alarm(AlarmAction::Deactivate, AlarmType::Nospace),
            Request::Alarm(AlarmAction::Deactivate, AlarmType::Nospace),
            Request::Alarm(AlarmAction::Get, AlarmType::None),
            Request::Put(put),
        ];
        for request in &requests {
            self.ask(request).await?;
        }
        Ok(())
    }

    async fn large_events_come_in_fragments(&mut self) -> anyhow::Result<()> {
        let start_revision = self.known.revision + 1;
        for number in 0..6_u8 {
            let value = vec![b'a' + number; LARGE_VALUE_BYTES].into();
            let key = format!("large/{number}").into();
            self.ask(&Request::Put(pb::PutRequest { key, value, ..Default::default() })).await?;
        }
        // Each of these two transactions makes two events of one revision. The events of the second one have about 1.4
        // MB each, because they carry the previous values. Together they are larger than the largest fragment, which
        // has 2 MiB. Naxos has to send only this revision in fragments: it puts several revisions into one answer only
        // if their events have at most 1 MiB together.
        for letter in [b'x', b'y'] {
            let put = |key: &'static str| {
                let value = vec![letter; HALF_OF_A_REQUEST_BYTES].into();
                Op::RequestPut(pb::PutRequest { key: key.into(), value, ..Default::default() })
            };
            self.ask(&all_of(vec![put("large/one"), put("large/two")])).await?;
        }
        let mut pair = Pair::open(&self.reference, &self.subject);
        let create = pb::WatchCreateRequest {
            key: "large/".into(),
            range_end: "large0".into(),
            start_revision,
            prev_kv: true,
            fragment: true,
            ..Default::default()
        };
        pair.create(create.clone(), self.known.compacted).await?;
        pair.create(pb::WatchCreateRequest { fragment: false, ..create }, self.known.compacted).await?;
        self.pairs().push(pair);
        self.compare_watches().await?;
        // The number of the reference's fragments is not checked. etcd does not fragment the events that it finds
        // before it has confirmed the watcher, even if the watcher asked for fragments.
        let fragments = self.pairs()[0].fragments_of_subject();
        self.pairs().clear();
        ensure!(fragments > 0, "a revision whose events do not fit into one fragment came in one piece");
        Ok(())
    }

    async fn a_transaction_reads_the_past_after_it_has_written(&mut self) -> anyhow::Result<()> {
        let put = |key: &'static str| Op::RequestPut(pb::PutRequest { key: key.into(), ..Default::default() });
        let delete = |key: &'static str| {
            Op::RequestDeleteRange(pb::DeleteRangeRequest { key: key.into(), ..Default::default() })
        };
        self.ask(&all_of(vec![put("past/1"), put("past/2"), put("past/3")])).await?;
        for write in [put("past/0"), delete("past/1"), delete("past/3"), put("past/1")] {
            let past = |limit, count_only| {
                let (key, range_end) = ("past/".into(), "past0".into());
                let revision = self.known.revision;
                Op::RequestRange(pb::RangeRequest { key, range_end, revision, limit, count_only, ..Default::default() })
            };
            let txn = all_of(vec![past(0, false), write, past(0, false), past(2, false), past(0, true)]);
            self.ask(&txn).await?;
        }
        Ok(())
    }

    async fn the_hash_of_nothing(&mut self) -> anyhow::Result<()> {
        let (key, range_end) = (vec![0].into(), vec![0].into());
        self.ask(&Request::DeleteRange(pb::DeleteRangeRequest { key, range_end, ..Default::default() })).await?;
        self.hash(0).await
    }

    async fn everything_as_of_now(&mut self) -> anyhow::Result<()> {
        let (key, range_end) = (vec![0].into(), vec![0].into());
        self.ask(&Request::Range(pb::RangeRequest { key, range_end, ..Default::default() })).await?;
        self.ask(&Request::LeaseLeases).await?;
        self.ask(&Request::Status).await?;
        Ok(())
    }
}
