//! [`recovered`] and [`forced`]: two of three members are destroyed while clients write, and the third goes on alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::watch_client::WatchClient;
use tonic::Code;

use super::grown::Grown;
use super::members::{Members, watch_of_all};
use super::writer::{Habits, PATIENCE};
use super::writers::Writers;
use super::{NAMES, urls_of};
use crate::etcd_server::{EtcdServer, free_ports, member_list};
use crate::kill_loop::writes::{Acknowledged, key, number};
use crate::pace;
use crate::process::{Process, output};

/// How long clients write before the disaster.
const HEALTHY: Duration = Duration::from_secs(2);
/// How long they go on after it.
const AFTER: Duration = Duration::from_secs(2);
/// How many clients write.
const WRITERS: u32 = 4;
/// After these times a recovery is killed.
const KILLED_AFTER: [u64; 7] = [0, 10, 20, 40, 80, 160, 320];
/// How long the two starts with `--force-new-cluster` may take, together with the checks after them.
const FORCED_LIMIT: Duration = Duration::from_secs(40);
/// How many acknowledged revisions may be lost at most. The writes with these revisions were on their way to the third
/// member when the others died.
const LOST_MAX: i64 = 64;
/// What a member without a quorum may say. Which one depends on whether it was the leader.
const NO_QUORUM: [&str; 2] = ["etcdserver: no leader", "etcdserver: request timed out"];
const KEPT: &str = "The newest write that was kept has revision ";
const OTHER_LOG: &str = "expected the log";

/// Three members, and where they are.
struct Three {
    all: Members,
    peer_urls: [String; 3],
}

fn listed(peer_urls: &[String; 3]) -> String {
    member_list(NAMES.iter().zip(peer_urls))
}

/// The newest revision that a client was told.
fn newest(acknowledged: &[Acknowledged]) -> i64 {
    acknowledged.iter().map(|write| write.revision).max().unwrap_or(0)
}

impl Three {
    fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let peer_urls = free_ports::<3>().map(|port| format!("http://127.0.0.1:{port}"));
        let member = |(name, url): (&&str, &String)| {
            let [client] = free_ports();
            EtcdServer::member(program, folder, (*name, client, url.as_str()), &listed(&peer_urls), &[])
        };
        let members = NAMES.iter().zip(&peer_urls).map(member).collect();
        Ok(Self { all: Members::of(members, peer_urls.len())?, peer_urls })
    }

    /// While clients write, kills two members and removes their disks. The clients go on for a while. Returns the
    /// acknowledged writes.
    fn destroy_two(&mut self, folder: &Path) -> anyhow::Result<Vec<Acknowledged>> {
        self.all.write(&[0, 1, 2], 30)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let writers = Writers::start(&runtime, 0..WRITERS, &urls_of(&self.all.members), Habits::restless(PATIENCE));
        pace::sleep(HEALTHY);
        for (member, name) in [(0, "a"), (1, "b")] {
            self.all.members[member].kill();
            fs::remove_dir_all(folder.join(name)).with_context(|| format!("destroy {name}"))?;
        }
        pace::sleep(AFTER);
        let written = writers.finish(&runtime)?.into_iter().flat_map(|done| done.written);
        let acknowledged: Vec<Acknowledged> = written.flat_map(|written| written.acknowledged).collect();
        ensure!(acknowledged.len() > 100, "only {} writes were acknowledged", acknowledged.len());
        Ok(acknowledged)
    }

    /// Checks that the member that is left says that it has no quorum, with a code that makes clients go to another
    /// member.
    fn says_no_quorum(&self, member: usize) -> anyhow::Result<()> {
        let put = pb::PutRequest { key: "k".into(), ..pb::PutRequest::default() };
        let Err(status) = self.all.call(KvClient::new(self.all.channel(member)).put(put)) else {
            bail!("one of three takes a write")
        };
        let goes_elsewhere = status.code() == Code::Unavailable && NO_QUORUM.contains(&status.message());
        ensure!(goes_elsewhere, "a client is told {status}");
        Ok(())
    }

    /// Checks that the acknowledged writes up to revision `kept` are there, that no write was acknowledged more than
    /// [`LOST_MAX`] revisions above `kept`, and that the store's revision is above each one that a client was told.
    fn check(&self, member: usize, acknowledged: &[Acknowledged], kept: i64) -> anyhow::Result<()> {
        let all =
            pb::RangeRequest { key: "writer/".into(), range_end: "writer0".into(), ..pb::RangeRequest::default() };
        let answer = self.all.call(KvClient::new(self.all.channel(member)).range(all))?.into_inner();
        let revision = answer.header.context("the answer has no header")?.revision;
        let told = newest(acknowledged);
        ensure!(revision > told, "the revision is {revision}, a client has seen {told}");
        let there: BTreeMap<Vec<u8>, u64> =
            answer.kvs.iter().filter_map(|kv| Some((kv.key.to_vec(), number(&kv.value)?))).collect();
        let mut missing = 0;
        for write in acknowledged {
            let found = there.get(&key(write.writer, write.number)).copied();
            let is_there = found.is_some_and(|found| found >= write.number);
            ensure!(is_there || write.revision > kept, "{write:?} is lost, although everything up to {kept} was kept");
            missing += u64::from(!is_there);
        }
        println!("{} acknowledged, kept up to revision {kept} of {told}, {missing} missing", acknowledged.len());
        ensure!(told - kept <= LOST_MAX, "revision {told} was acknowledged, only {kept} was kept");
        Ok(())
    }

    /// Checks that a client that goes on with its watch from `start_revision` is told that this revision is compacted.
    fn watch_from(&self, member: usize, start_revision: i64) -> anyhow::Result<()> {
        self.all.call(async {
            let requests = tokio_stream::iter([watch_of_all(start_revision)]);
            let mut stream = WatchClient::new(self.all.channel(member)).watch(requests).await?.into_inner();
            while let Some(answer) = stream.message().await? {
                ensure!(answer.events.is_empty(), "a watch from the compacted revision {start_revision} gets events");
                if answer.canceled {
                    ensure!(
                        answer.compact_revision > start_revision,
                        "a watch from revision {start_revision} is cancelled, but not because of compaction: {answer:?}"
                    );
                    return Ok(());
                }
            }
            bail!("the watch ends by itself")
        })
    }

    /// Adds two new members with the addresses of those that were destroyed, and compares all three.
    fn grow_again(self, program: &Path, folder: &Path) -> anyhow::Result<Members> {
        let Three { mut all, peer_urls } = self;
        let last = all.members.pop().context("there is no third member")?;
        all.members = vec![last];
        let peers = vec![("c".to_owned(), peer_urls[2].clone())];
        let mut grown = Grown { program, folder, all, peers };
        grown.add_at("a2", peer_urls[0].clone(), 0, false)?;
        grown.all.compare().context("two members")?;
        grown.add_at("b2", peer_urls[1].clone(), 0, false)?;
        grown.all.write(&[0, 1, 2], 20)?;
        grown.all.compare().context("three members")?;
        Ok(grown.all)
    }
}

/// The files below a folder, with their lengths and the times at which they were written last.
fn files(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, (u64, SystemTime)>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path(), (metadata.len(), metadata.modified()?));
            }
        }
    }
    Ok(found)
}

/// Recovers `old` into `new`. Before that some attempts are killed. Returns the revision up to which all was kept.
///
/// # Errors
/// If the command fails, or changes what it should not.
pub fn recover(program: &Path, old: &Path, new: &Path) -> anyhow::Result<i64> {
    let words = [
        "ctl".to_owned(),
        "recover".to_owned(),
        format!("--data-dir={}", old.display()),
        format!("--to={}", new.display()),
    ];
    let before = files(old)?;
    let looked = output(program, &words, "").map_err(anyhow::Error::msg)?;
    print!("{looked}");
    ensure!(
        looked.contains("May be missing") && looked.contains("Nothing was changed"),
        "`naxos ctl recover` without --yes does not say what it found"
    );
    ensure!(!new.exists() && files(old)? == before, "`naxos ctl recover` changes something without --yes");
    let words = [words.as_slice(), &["--yes".to_owned()]].concat();
    for millis in KILLED_AFTER {
        let mut command = Command::new(program);
        command.args(&words);
        let mut attempt = Process::start("naxos ctl recover", command);
        pace::sleep(Duration::from_millis(millis));
        attempt.kill();
        if new.join("recovery/recovered").exists() {
            let finished = output(program, &words, "").map_err(anyhow::Error::msg)?;
            ensure!(finished.contains("An earlier run had made the new directory"), "it begins anew:\n{finished}");
        }
        if new.join("format").exists() {
            println!("an attempt was faster than {millis} ms");
            fs::remove_dir_all(new)?;
        }
    }
    let done = output(program, &words, "").map_err(anyhow::Error::msg)?;
    print!("{done}");
    ensure!(files(old)? == before, "`naxos ctl recover` changes the old directory");
    let (_, kept) = done.split_once(KEPT).context("`naxos ctl recover` does not say what was kept")?;
    let kept = kept.split('.').next().context("the revision is missing")?;
    Ok(kept.parse()?)
}

/// `naxos ctl recover`: two of three members are destroyed while clients write. From the directory of the third one a
/// new directory is made, after some attempts that are killed. A member serves on it. It has everything that was
/// acknowledged up to the revision that the command names, cancels watches from old revisions so that clients list
/// again, and takes two new members. A member on the old directory is refused.
///
/// # Errors
/// If one of these statements does not hold.
pub fn recovered(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut three = Three::start(program, folder)?;
    let acknowledged = three.destroy_two(folder)?;
    three.says_no_quorum(2)?;
    three.all.members[2].kill();
    let (old, new) = (folder.join("c.old"), folder.join("c"));
    fs::rename(&new, &old)?;
    let kept = recover(program, &old, &new)?;
    three.all.start_member(2).context("start on the new directory")?;
    three.check(2, &acknowledged, kept)?;
    three.watch_from(2, 2)?;
    three.watch_from(2, newest(&acknowledged) + 1)?;
    three.all.write(&[2], 10)?;
    three.all.members[2].kill();
    three.all.start_member(2).context("start it again")?;
    three.check(2, &acknowledged, kept)?;

    let peer_urls = three.peer_urls.clone();
    let mut all = three.grow_again(program, folder)?;
    // A member is started on the old directory beside them. It finds the new log at the addresses of the others.
    let [client, peer] = free_ports();
    let url = format!("http://127.0.0.1:{peer}");
    let mut beside = EtcdServer::member(program, folder, ("c.old", client, &url), &listed(&peer_urls), &["--name=c"]);
    let Err(why) = beside.try_start() else { bail!("a member of the old cluster serves beside the new one") };
    ensure!(why.contains(OTHER_LOG), "it ends without the reason:\n{why}");

    all.restart()?;
    all.compare().context("after a start of all")
}

/// `--force-new-cluster`: as [`recovered`], but the directory of the third member itself is changed. The flag is
/// refused as long as there is a quorum. After it has had its effect once, it has none at later starts.
///
/// # Errors
/// If one of these statements does not hold.
pub fn forced(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut three = Three::start(program, folder)?;
    three.all.write(&[0, 1, 2], 10)?;
    let client = three.all.url(2).rsplit_once(':').context("the URL has no port")?.1.parse()?;
    let urls = three.peer_urls.clone();
    let forced =
        || EtcdServer::member(program, folder, ("c", client, &urls[2]), &listed(&urls), &["--force-new-cluster"]);
    three.all.members[2].kill();
    let Err(why) = forced().try_start() else { bail!("the flag has an effect although there is a quorum") };
    ensure!(why.contains("answers and has a quorum"), "it ends without the reason:\n{why}");
    three.all.start_member(2).context("start it without the flag")?;
    three.all.compare().context("after the refusal")?;

    let acknowledged = three.destroy_two(folder)?;
    three.all.members[2].kill();
    let begun = pace::now();
    three.all.members[2] = forced();
    for again in [false, true] {
        three.all.start_member(2).context("start it with the flag")?;
        let said =
            three.all.members[2].log().matching("has no effect: a recovery or a restore has made this data directory");
        ensure!(said.is_empty() != again, "only the second start must log that the flag has no effect: {said:?}");
        let told = newest(&acknowledged);
        three.check(2, &acknowledged, told - LOST_MAX)?;
        three.watch_from(2, told)?;
        three.all.write(&[2], 10)?;
        three.all.members[2].kill();
    }
    ensure!(begun.elapsed() < FORCED_LIMIT, "the two starts with --force-new-cluster took {:?}", begun.elapsed());
    three.all.start_member(2).context("start it with the flag once more")?;
    let mut all = three.grow_again(program, folder)?;
    // The flag is still there. It must not throw out the new members.
    all.members[0].kill();
    all.start_member(0).context("start it beside the new members")?;
    all.write(&[0, 1, 2], 10)?;
    all.compare().context("after a start with the flag beside the new members")
}
