//! The loop, which sends the same requests to both servers in the same order.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, bail};
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::request_op::Request as Op;

use super::answer::Answer;
use super::compared_server::{ComparedServer, ServerKind};
use super::dice::Dice;
use super::generate;
use super::parts::{self, Known};
use super::request::Request;
use super::watches::{Marks, Pair};
use crate::pace;

/// Number of streams that are open at a time.
const STREAMS: usize = 3;
/// After this many watchers a stream is closed and another one is opened.
const WATCHERS_PER_STREAM_MAX: usize = 14;
/// A message about a difference shows this many earlier requests.
const SHOWN_BEFORE: usize = 12;
/// How long a compaction may go on after its answer.
const COMPACTION_LIMIT: Duration = Duration::from_secs(3);
/// How long the loop waits before it requests a hash again, because a compaction may still go on.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Longest text of a request or an answer in a message.
const SHOWN_BYTES_MAX: usize = 6_000;

/// Counts of what a run has done.
#[derive(Debug, Default, Clone, Copy)]
pub struct Summary {
    pub requests: u64,
    /// Requests that both servers refused.
    pub refused: u64,
    pub watchers: u64,
    /// How often the watchers' events were compared.
    pub comparisons: u64,
    pub revision: i64,
}

/// Two servers that have got the same requests so far.
#[derive(Debug)]
pub struct Run {
    pub(super) reference: ComparedServer,
    pub(super) subject: ComparedServer,
    pub(super) known: Known,
    /// Every revision that was compacted to.
    compactions: BTreeSet<i64>,
    pairs: Vec<Pair>,
    recent: VecDeque<String>,
    summary: Summary,
}

/// Sends `requests` random requests, then plays every scenario. `reference` is the URL of an etcd. `subject` is the
/// kind of the other server, and its URL.
///
/// # Errors
/// The first difference, with what led to it.
pub async fn compare(
    reference: &str,
    subject: (ServerKind, &str),
    seed: u64,
    requests: u64,
) -> anyhow::Result<Summary> {
    let mut run = Run::new(reference, subject).await?;
    let mut dice = Dice::new(seed);
    // Random requests seldom see the empty store: the first of them that puts a key ends it.
    run.ask(&Request::Status).await.context("the status of an empty store")?;
    let replay = format!("replay with NAXOS_SEED={seed} NAXOS_REQUESTS={requests}");
    while run.summary.requests < requests {
        run.step(&mut dice).await.with_context(|| format!("request {}; {replay}", run.summary.requests))?;
    }
    run.play().await.with_context(|| format!("scenarios; {replay}"))?;
    run.summary.revision = run.known.revision;
    Ok(run.summary)
}

impl Run {
    /// Connects to two fresh servers.
    ///
    /// # Errors
    /// If one cannot be reached.
    pub async fn new(reference: &str, (kind, subject): (ServerKind, &str)) -> anyhow::Result<Self> {
        Ok(Run {
            reference: ComparedServer::connect("reference", ServerKind::Etcd, reference).await?,
            subject: ComparedServer::connect("subject", kind, subject).await?,
            known: Known { revision: 1, compacted: 0 },
            compactions: BTreeSet::new(),
            pairs: Vec::new(),
            recent: VecDeque::new(),
            summary: Summary::default(),
        })
    }

    async fn step(&mut self, dice: &mut Dice) -> anyhow::Result<()> {
        match dice.below(100) {
            0 | 1 => return self.watch(dice).await,
            2 if dice.chance(60) => {
                let index = dice.below(STREAMS as u64) as usize;
                let Some(pair) = self.pairs.get_mut(index) else { return Ok(()) };
                if dice.chance(10) {
                    pair.send_nonsense().await?;
                }
                return pair.cancel(dice.roll()).await;
            }
            _ => {}
        }
        let request = generate::request(dice, self.known);
        if matches!(request, Request::Compact(_)) {
            // Let every watcher read its history before the compaction. Otherwise it would depend on timing whether a
            // watcher is cancelled because its revisions are compacted, and the two servers could differ.
            self.compare_watches().await?;
        }
        if let Request::HashKv(asked) = request {
            return self.hash(asked.revision).await;
        }
        self.ask(&request).await?;
        Ok(())
    }

    /// Compares the hashes at a revision. Revisions that were compacted to are left out: for them etcd answers with the
    /// hash that it computed during the compaction and keeps in memory until a restart.
    ///
    /// # Errors
    /// If they differ.
    pub async fn hash(&mut self, revision: i64) -> anyhow::Result<()> {
        if !self.compactions.contains(&revision) {
            self.ask(&Request::HashKv(pb::HashKvRequest { revision })).await?;
        }
        Ok(())
    }

    /// Sends a request to both and returns the answer if they agree.
    ///
    /// # Errors
    /// If they do not agree, or do not answer.
    pub async fn ask(&mut self, request: &Request) -> anyhow::Result<Answer> {
        let (theirs, ours) = self.both(request).await;
        self.summary.requests += 1;
        if theirs != ours || unreachable(&theirs) {
            let recent: Vec<_> = self.recent.iter().map(String::as_str).collect();
            bail!(
                "request:   {}\nreference: {}\nsubject:   {}\nbefore it:\n{}",
                shown(request),
                shown(&theirs),
                shown(&ours),
                recent.join("\n"),
            );
        }
        self.summary.refused += u64::from(matches!(theirs, Answer::Refused { .. }));
        if let Some(revision) = theirs.revision().filter(|revision| *revision > 0) {
            self.known.revision = revision;
        }
        if let (Request::Compact(asked), Answer::Compact(_)) = (request, &theirs) {
            self.known.compacted = asked.revision;
            self.compactions.insert(asked.revision);
        }
        self.recent.push_back(format!("  {}", shown(request)));
        if self.recent.len() > SHOWN_BEFORE {
            self.recent.pop_front();
        }
        Ok(theirs)
    }

    /// The answers of the reference and of the subject. A hash depends on what a compaction has removed so far, and a
    /// compaction goes on after its answer. So a hash is requested again until both servers agree or the time is over.
    async fn both(&mut self, request: &Request) -> (Answer, Answer) {
        let end = pace::now() + COMPACTION_LIMIT;
        loop {
            let (theirs, ours) = tokio::join!(self.reference.answer(request), self.subject.answer(request));
            if theirs == ours || !matches!(request, Request::HashKv(_)) || pace::now() > end {
                return (theirs, ours);
            }
            pace::pause(LOOK_AGAIN).await;
        }
    }

    async fn watch(&mut self, dice: &mut Dice) -> anyhow::Result<()> {
        let index = dice.below(STREAMS as u64) as usize;
        if self.pairs.get(index).is_some_and(|pair| pair.created() >= WATCHERS_PER_STREAM_MAX) {
            self.compare_watches().await?;
            self.pairs.remove(index);
        }
        if index >= self.pairs.len() {
            self.pairs.push(Pair::open(&self.reference, &self.subject));
        }
        let index = index.min(self.pairs.len() - 1);
        let create = watcher(dice, self.known);
        self.summary.watchers += 1;
        self.pairs[index].create(create, self.known.compacted).await?;
        if dice.chance(20) { self.compare_watches().await } else { Ok(()) }
    }

    /// Writes into every watched range, waits until every watcher has seen the write, and compares all events.
    ///
    /// # Errors
    /// The first difference.
    pub async fn compare_watches(&mut self) -> anyhow::Result<()> {
        let keys: BTreeSet<(Vec<u8>, bool)> = self.pairs.iter().flat_map(Pair::mark_keys).collect();
        let all: BTreeSet<_> = keys.iter().map(|(key, _)| key.clone()).collect();
        let deleted: BTreeSet<_> = keys.into_iter().filter(|(_, by_delete)| *by_delete).map(|(key, _)| key).collect();
        let put = |key: &Vec<u8>| Op::RequestPut(pb::PutRequest { key: key.clone().into(), ..Default::default() });
        let delete = |key: &Vec<u8>| {
            Op::RequestDeleteRange(pb::DeleteRangeRequest { key: key.clone().into(), ..Default::default() })
        };
        let mut marks = Marks { put: self.known.revision, delete: self.known.revision, deleted };
        if !all.is_empty() {
            self.ask(&all_of(all.iter().map(put).collect())).await?;
            marks.put = self.known.revision;
        }
        if !marks.deleted.is_empty() {
            self.ask(&all_of(marks.deleted.iter().map(delete).collect())).await?;
            marks.delete = self.known.revision;
        }
        self.summary.comparisons += 1;
        for pair in &mut self.pairs {
            pair.settle(&marks).await?;
            pair.progress(self.known.revision).await?;
        }
        Ok(())
    }

    /// The streams that are open.
    pub(super) fn pairs(&mut self) -> &mut Vec<Pair> {
        &mut self.pairs
    }
}

/// A transaction with all these operations.
pub(super) fn all_of(ops: Vec<Op>) -> Request {
    let success = ops.into_iter().map(|op| pb::RequestOp { request: Some(op) }).collect();
    Request::Txn(pb::TxnRequest { success, ..Default::default() })
}

/// A request for a watcher, with a random value in each field.
fn watcher(dice: &mut Dice, known: Known) -> pb::WatchCreateRequest {
    let key = parts::key(dice);
    let filters: Vec<i32> = (0..2).filter(|_| dice.chance(15)).collect();
    // A watcher that filters out every event cannot show that it has read its history before the next compaction. So it
    // reads no history.
    let from_now = filters.len() == 2 || dice.chance(35);
    pb::WatchCreateRequest {
        range_end: parts::range_end(dice, &key).into(),
        key: key.into(),
        start_revision: if from_now { 0 } else { parts::revision(dice, known) },
        progress_notify: dice.chance(30),
        filters,
        prev_kv: dice.chance(50),
        watch_id: if dice.chance(80) { 0 } else { dice.below_signed(6) },
        fragment: dice.chance(30),
    }
}

/// A server that does not answer counts as a difference, even if neither answers.
fn unreachable(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused { code: tonic::Code::Unavailable, .. })
}

fn shown(what: &impl std::fmt::Debug) -> String {
    let mut text = String::new();
    write!(text, "{what:?}").expect("a string takes everything");
    if text.len() > SHOWN_BYTES_MAX {
        text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
        text.push_str("...");
    }
    text
}
