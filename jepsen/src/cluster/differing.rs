//! [`differing`]: the state of one of three members differs from that of the others, as if its program had applied an
//! entry in another way.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use naxos_proto::control::StatusRequest;
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::alarm_request::AlarmAction;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use naxos_proto::etcd::client::etcdserverpb::watch_client::WatchClient;
use redb::{ReadableTable, TableDefinition};
use tonic::{Code, Status, Streaming};

use super::members::{Members, put, watch_of_all};
use crate::pace;

/// The number of the member whose state is changed.
const WRONG: usize = 2;
/// Both values have the same length, so that the rest of the row stays as it is.
const RIGHT_VALUE: &[u8] = b"the right value";
const WRONG_VALUE: &[u8] = b"the wrong value";
/// How long it may take until the member has fenced itself, once entries were written.
const FENCED_WITHIN: Duration = Duration::from_secs(20);
/// How long the search for the first revision may take.
const FOUND_WITHIN: Duration = Duration::from_secs(20);
const TRY_AGAIN: Duration = Duration::from_millis(50);
const CORRUPT: &str = "etcdserver: corrupt cluster";

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Changes the row of one value in a local store, and the running checksum.
fn change_store(file: &Path) -> anyhow::Result<()> {
    let database = redb::Database::open(file)?;
    let write = database.begin_write()?;
    {
        let mut rows = write.open_table(ROWS)?;
        let has_value = |row: &[u8]| row.windows(RIGHT_VALUE.len()).position(|part| part == RIGHT_VALUE);
        let mut found = None;
        for row in rows.iter()? {
            let (name, row) = row?;
            if let Some(at) = has_value(row.value()) {
                found = Some((name.value().to_vec(), row.value().to_vec(), at));
            }
        }
        let (name, mut row, at) = found.context("no row has the value")?;
        row[at..at + WRONG_VALUE.len()].copy_from_slice(WRONG_VALUE);
        rows.insert(&name[..], &row[..])?;
        let mut meta = write.open_table(META)?;
        let checksum = meta.get("checksum")?.context("the store has no checksum")?.value();
        meta.insert("checksum", checksum ^ 1)?;
    }
    write.commit()?;
    Ok(())
}

fn is_corrupt<T>(outcome: &Result<T, Status>) -> bool {
    let is_meant = |status: &Status| (status.code(), status.message()) == (Code::DataLoss, CORRUPT);
    outcome.as_ref().is_err_and(is_meant)
}

struct Three(Members);

impl Three {
    fn kv(&self, member: usize) -> KvClient<tonic::transport::Channel> {
        KvClient::new(self.0.channel(member))
    }

    fn maintenance(&self, member: usize) -> MaintenanceClient<tonic::transport::Channel> {
        MaintenanceClient::new(self.0.channel(member))
    }

    fn id(&self, member: usize) -> anyhow::Result<u64> {
        let status = self.0.call(self.maintenance(member).status(pb::StatusRequest {}))?.into_inner();
        Ok(status.header.context("the answer has no header")?.member_id)
    }

    fn alarm(&self, action: AlarmAction, member_id: u64) -> anyhow::Result<Vec<(u64, i32)>> {
        let alarm = if action == AlarmAction::Get { pb::AlarmType::None } else { pb::AlarmType::Corrupt };
        let request = pb::AlarmRequest { action: action.into(), member_id, alarm: alarm.into() };
        let alarms = self.0.call(self.maintenance(0).alarm(request))?.into_inner().alarms;
        Ok(alarms.into_iter().map(|alarm| (alarm.member_id, alarm.alarm)).collect())
    }

    /// Watches all keys at the member whose state differs.
    fn watch(&self) -> anyhow::Result<Streaming<pb::WatchResponse>> {
        let mut client = WatchClient::new(self.0.channel(WRONG));
        let requests = tokio_stream::StreamExt::chain(tokio_stream::once(watch_of_all(0)), tokio_stream::pending());
        Ok(self.0.call(client.watch(requests))?.into_inner())
    }

    /// Writes through the two members that are in order, by turns, until the alarm is on.
    fn write_until_alarm(&self, id: u64) -> anyhow::Result<()> {
        let end = pace::now() + FENCED_WITHIN;
        for n in 0.. {
            let put = pb::PutRequest { key: format!("more/{n}").into(), ..pb::PutRequest::default() };
            let outcome = self.0.call(self.kv(n % 2).put(put));
            let alarms = self.alarm(AlarmAction::Get, 0)?;
            if !alarms.is_empty() {
                ensure!(
                    alarms == [(id, pb::AlarmType::Corrupt as i32)],
                    "the alarms are {alarms:?}, expected only CORRUPT of member {id}"
                );
                println!("{n} entries were written until the alarm");
                return Ok(());
            }
            // The member that got the put may know of the alarm earlier than the member that was asked for alarms.
            if !is_corrupt(&outcome) {
                outcome.context("write before the alarm")?;
            }
            ensure!(pace::now() < end, "no alarm after {n} entries");
        }
        unreachable!("the loop has no end")
    }

    /// Whether the member whose state differs serves nothing.
    fn check_fenced(&self) -> anyhow::Result<()> {
        for serializable in [false, true] {
            let range = pb::RangeRequest { key: "a".into(), serializable, ..pb::RangeRequest::default() };
            let read = self.0.call(self.kv(WRONG).range(range));
            ensure!(is_corrupt(&read), "a read of a member that differs: {read:?}");
        }
        let put = self.0.call(self.kv(WRONG).put(pb::PutRequest { key: "a".into(), ..pb::PutRequest::default() }));
        ensure!(is_corrupt(&put), "a write through a member that differs: {put:?}");
        let mut client = WatchClient::new(self.0.channel(WRONG));
        let watch = self.0.call(client.watch(tokio_stream::once(watch_of_all(0))));
        ensure!(is_corrupt(&watch), "a watch at a member that differs: {watch:?}");
        Ok(())
    }

    /// Waits until the member says which revision is the first one that differs.
    fn wait_for_first(&self, revision: i64) -> anyhow::Result<()> {
        let text = format!("the first revision that differs is {revision}. ");
        let end = pace::now() + FOUND_WITHIN;
        loop {
            let mut client = ControlClient::new(self.0.channel(WRONG));
            let problems = self.0.call(client.status(StatusRequest {}))?.into_inner().problems;
            if problems.iter().any(|problem| problem.contains(&text)) {
                return Ok(());
            }
            ensure!(pace::now() < end, "the problems of the member are {problems:?}, expected {text:?}");
            pace::sleep(TRY_AGAIN);
        }
    }

    /// Waits until a member that is in order leads.
    fn wait_for_leader(&self, wrong: u64) -> anyhow::Result<()> {
        let end = pace::now() + FENCED_WITHIN;
        loop {
            let leader = self.0.call(self.maintenance(0).status(pb::StatusRequest {}))?.into_inner().leader;
            if leader != 0 && leader != wrong {
                return Ok(());
            }
            ensure!(pace::now() < end, "the leader is {leader} (0 is none), expected a member other than {wrong}");
            pace::sleep(TRY_AGAIN);
        }
    }
}

/// One row and the checksum are changed in the local store of a member that is stopped. When the member is back and
/// entries are written, it finds that its state differs, and serves nothing any more, also after another start. The
/// alarm names the member, and the member names the revision of the row. The others serve reads, and no writes until
/// the alarm is turned off. With an empty directory the member is in order again.
///
/// # Errors
/// If one of these statements does not hold.
pub fn differing(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut all = Members::start(program, folder, 3, &[])?;
    let mut revision = 0;
    for n in 0..30 {
        let value = if n == 17 { RIGHT_VALUE } else { b"another value" };
        let at = all.call(put(all.url(n % 3), &format!("row/{n}"), value.to_vec()))?;
        revision = if n == 17 { at } else { revision };
    }
    all.compare().context("before anything happens")?;
    let mut three = Three(all);
    let id = three.id(WRONG)?;
    three.0.members[WRONG].terminate();
    change_store(&folder.join("c").join("store.redb")).context("change a row")?;
    three.0.start_member(WRONG)?;
    let mut watch = three.watch()?;
    three.write_until_alarm(id)?;
    three.check_fenced()?;
    let ended = three.0.call(async {
        loop {
            match pace::within(FENCED_WITHIN, watch.message()).await {
                Some(Ok(Some(_))) => {}
                end => return end,
            }
        }
    });
    ensure!(ended.as_ref().is_some_and(is_corrupt), "a watch at a member that differs ended with {ended:?}");
    three.wait_for_first(revision)?;
    three.wait_for_leader(id)?;
    // The others serve reads, but as in etcd they refuse writes while the alarm is on.
    let range = pb::RangeRequest { key: "row/17".into(), ..pb::RangeRequest::default() };
    let found = three.0.call(three.kv(0).range(range))?.into_inner().kvs;
    ensure!(found.len() == 1 && found[0].value == RIGHT_VALUE, "the others read {found:?}");
    let refused = three.0.call(three.kv(1).put(pb::PutRequest { key: "a".into(), ..pb::PutRequest::default() }));
    ensure!(is_corrupt(&refused), "a write while the alarm is on: {refused:?}");

    // Another start does not help this member. Turning the alarm off does not help it either, but then the others take
    // writes.
    three.0.members[WRONG].kill();
    three.0.start_member(WRONG)?;
    three.check_fenced().context("after a start")?;
    three.wait_for_first(revision).context("after a start")?;
    three.alarm(AlarmAction::Deactivate, id)?;
    three.0.call(put(three.0.url(0), "after", vec![1])).context("write after the alarm was turned off")?;
    three.check_fenced().context("after the alarm was turned off")?;
    if !three.alarm(AlarmAction::Get, 0)?.is_empty() {
        bail!("the alarm came back in the same process");
    }

    // Start the member on an empty directory, as an operator does.
    three.0.members[WRONG].kill();
    fs::remove_dir_all(folder.join("c")).context("remove a directory")?;
    three.0.start_member(WRONG).context("start on an empty directory")?;
    for n in 0..200 {
        three.0.call(put(three.0.url(n % 3), &format!("again/{n}"), vec![1]))?;
    }
    three.0.compare().context("after all is repaired")?;
    pace::sleep(FENCED_WITHIN / 4);
    ensure!(three.alarm(AlarmAction::Get, 0)?.is_empty(), "an alarm is on after all is repaired");
    three.0.call(put(three.0.url(WRONG), "last", vec![1])).context("write through the member that is repaired")?;
    Ok(())
}
