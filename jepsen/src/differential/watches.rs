//! Pairs of watch streams, one to each server, which are compared event by event.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::watch_create_request::FilterType;
use pb::watch_request::RequestUnion;

use super::compared_server::ComparedServer;
use super::event_judge::EventJudge;
use super::watch_stream::{Creation, Seen, WatchStream};
use crate::pace;

/// How long a server may take to answer or to deliver an event.
const DELIVERY_LIMIT: Duration = Duration::from_secs(15);
/// How often the driver checks for the answer or the event.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// A server drops a progress request while a watcher lags behind, so the request is repeated after this time.
const PROGRESS_AGAIN: Duration = Duration::from_millis(150);

/// A watcher that was requested, and its fate so far.
#[derive(Debug)]
struct Asked {
    create: pb::WatchCreateRequest,
    creation: Creation,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Refused,
    Watching,
    /// The watch asked for history that was compacted, so both servers must cancel it.
    Lost,
    /// The client cancelled the watch. The number of events that arrived before that may differ between the servers.
    Cancelled,
    Settled,
}

/// The same watchers on both servers.
#[derive(Debug)]
pub struct Pair {
    reference: WatchStream,
    subject: WatchStream,
    judge: EventJudge,
    asked: Vec<Asked>,
    /// Whether the servers cancelled one of the watchers because of a compaction. etcd keeps such a watcher's id in use
    /// and answers no progress request on its stream until the client cancels the watcher too. No client relies on
    /// this, so from then on the driver lets the server choose ids and requests no progress.
    lost_one: bool,
}

/// The writes that show that a watcher is up to date. The first key of every watched range was put at revision `put`,
/// and the keys in `deleted` were deleted at revision `delete`.
#[derive(Debug, Default)]
pub struct Marks {
    pub put: i64,
    pub delete: i64,
    pub deleted: BTreeSet<Vec<u8>>,
}

impl Pair {
    /// Opens one stream to each server.
    pub fn open(reference: &ComparedServer, subject: &ComparedServer) -> Self {
        let judge = EventJudge { reference: reference.kind(), subject: subject.kind() };
        let (reference, subject) = (WatchStream::open(reference), WatchStream::open(subject));
        Pair { reference, subject, judge, asked: Vec::new(), lost_one: false }
    }

    /// Number of watchers that still watch.
    pub fn watching(&self) -> usize {
        self.asked.iter().filter(|asked| asked.fate == Fate::Watching).count()
    }

    /// Number of watchers created so far.
    pub fn created(&self) -> usize {
        self.asked.len()
    }

    /// Creates a watcher on both servers and waits for both answers.
    ///
    /// # Errors
    /// If the answers differ, or one does not come within the time limit, or a stream has failed.
    pub async fn create(&mut self, mut create: pb::WatchCreateRequest, compacted: i64) -> anyhow::Result<()> {
        let number = self.asked.len();
        if self.lost_one {
            create.watch_id = 0;
        }
        self.send(Some(RequestUnion::CreateRequest(create.clone()))).await?;
        self.both(|seen| seen.watchers.len() > number, &format!("an answer to {create:?}")).await?;
        let of = |seen: &mut Seen| seen.watchers[number].creation.clone();
        let (theirs, ours) = (self.reference.look(of), self.subject.look(of));
        ensure!(theirs == ours, "{create:?}\nreference: {theirs:?}\nsubject:   {ours:?}");
        let fate = match create.start_revision {
            _ if theirs.refused.is_some() => Fate::Refused,
            1.. if create.start_revision < compacted => Fate::Lost,
            _ => Fate::Watching,
        };
        self.lost_one |= fate == Fate::Lost;
        self.asked.push(Asked { create, creation: theirs, fate });
        Ok(())
    }

    /// Cancels one live watcher, the one at index `number` modulo their count, and waits for both answers.
    ///
    /// # Errors
    /// If a server does not answer within the time limit, or a stream has failed.
    pub async fn cancel(&mut self, number: u64) -> anyhow::Result<()> {
        let live: Vec<usize> = (0..self.asked.len()).filter(|&i| self.asked[i].fate == Fate::Watching).collect();
        let Some(&index) = live.get(number as usize % live.len().max(1)) else { return Ok(()) };
        self.asked[index].fate = Fate::Cancelled;
        let id = self.asked[index].creation.id;
        self.send(Some(RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: id }))).await?;
        self.both(|seen| seen.watchers[index].canceled.is_some(), "the end of a cancelled watcher").await
    }

    /// Sends requests that a server must ignore: a cancel of an unknown watcher, and an empty request.
    ///
    /// # Errors
    /// If a stream is closed or has failed.
    pub async fn send_nonsense(&mut self) -> anyhow::Result<()> {
        self.send(Some(RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 7_777 }))).await?;
        self.send(None).await
    }

    /// The keys to write so that every watcher gets an event. For each watcher: the first key of its range, and whether
    /// the watcher sees no puts, so that the key must be deleted too.
    pub fn mark_keys(&self) -> Vec<(Vec<u8>, bool)> {
        let watching = self.asked.iter().filter(|asked| asked.fate == Fate::Watching);
        watching.map(|asked| (first_key(&asked.create), filters(&asked.create, FilterType::Noput))).collect()
    }

    /// Waits until every watcher has seen the marks, then compares all events.
    ///
    /// # Errors
    /// At the first difference, or if a mark or the end of a watcher does not come within the time limit, or if a
    /// stream has failed.
    pub async fn settle(&mut self, marks: &Marks) -> anyhow::Result<()> {
        for index in 0..self.asked.len() {
            let asked = &self.asked[index];
            match asked.fate {
                Fate::Refused | Fate::Settled => continue,
                Fate::Watching => {
                    let last = last_event(&asked.create, marks);
                    let what = format!("the event of revision {last:?} for {:?}", asked.create);
                    self.both(|seen| last.is_none_or(|last| seen.watchers[index].newest_event() >= last), &what)
                        .await?;
                }
                Fate::Lost | Fate::Cancelled => {
                    let what = format!("the end of {:?}", asked.create);
                    self.both(|seen| seen.watchers[index].canceled.is_some(), &what).await?;
                }
            }
            self.compare(index)?;
        }
        Ok(())
    }

    fn compare(&mut self, index: usize) -> anyhow::Result<()> {
        let take = |seen: &mut Seen| {
            let watcher = &mut seen.watchers[index];
            (std::mem::take(&mut watcher.events), watcher.canceled.clone())
        };
        let (theirs, ours) = (self.reference.look(take), self.subject.look(take));
        let asked = &mut self.asked[index];
        ensure!(
            theirs.1 == ours.1,
            "{:?}\nreference ended: {:?}\nsubject ended:   {:?}",
            asked.create,
            theirs.1,
            ours.1
        );
        // Events that were on their way when a watcher was cancelled may be missing at the end.
        let compared = match asked.fate {
            Fate::Cancelled => theirs.0.len().min(ours.0.len()),
            _ => theirs.0.len().max(ours.0.len()),
        };
        for number in 0..compared {
            let (their, our) = (theirs.0.get(number), ours.0.get(number));
            let equal = self.judge.equal(their, our, asked.creation.revision);
            ensure!(equal, "{:?}\nevent {number}\nreference: {their:?}\nsubject:   {our:?}", asked.create);
        }
        if asked.fate != Fate::Watching {
            asked.fate = Fate::Settled;
        }
        Ok(())
    }

    /// Requests progress from both servers and waits until both answer with `revision`. Does nothing if no watcher
    /// watches, if a compaction has ended a watcher (see `lost_one`), or if a watcher waits for a future revision: then
    /// it is not certain that a server answers.
    ///
    /// # Errors
    /// If a server does not answer with this revision within the time limit, or a stream has failed.
    pub async fn progress(&mut self, revision: i64) -> anyhow::Result<()> {
        let watching = || self.asked.iter().filter(|asked| asked.fate == Fate::Watching);
        if self.lost_one || watching().count() == 0 || watching().any(|asked| asked.create.start_revision > revision) {
            return Ok(());
        }
        let end = pace::now() + DELIVERY_LIMIT;
        loop {
            self.send(Some(RequestUnion::ProgressRequest(pb::WatchProgressRequest {}))).await?;
            let again = pace::now() + PROGRESS_AGAIN;
            while pace::now() < again {
                let last = |seen: &mut Seen| seen.progress.last().copied();
                let (theirs, ours) = (self.reference.look(last), self.subject.look(last));
                if theirs == Some(revision) && ours == Some(revision) {
                    return Ok(());
                }
                pace::pause(LOOK_AGAIN).await;
                if pace::now() > end {
                    bail!("progress at {revision}: reference {theirs:?}, subject {ours:?}");
                }
            }
        }
    }

    /// Waits until every watcher that asked for progress notifications has got one at `revision`, on both servers.
    ///
    /// # Errors
    /// If a notification does not come within the time limit, or a stream has failed.
    pub async fn notified(&mut self, revision: i64) -> anyhow::Result<()> {
        for index in 0..self.asked.len() {
            let asked = &self.asked[index];
            if asked.fate != Fate::Watching || !asked.create.progress_notify || asked.create.start_revision > revision {
                continue;
            }
            let what = format!("a progress notification at {revision} for {:?}", asked.create);
            self.both(|seen| seen.watchers[index].notified.contains(&revision), &what).await?;
        }
        Ok(())
    }

    /// Number of answers of the subject that said that another part of the same answer follows.
    pub fn fragments_of_subject(&self) -> usize {
        self.subject.look(|seen| seen.watchers.iter().map(|watcher| watcher.fragments).sum())
    }

    async fn send(&self, request: Option<RequestUnion>) -> anyhow::Result<()> {
        self.reference.look(whole).context("reference")?;
        self.subject.look(whole).context("subject")?;
        self.reference.send(request.clone()).await?;
        self.subject.send(request).await
    }

    /// Waits until the condition holds on both streams.
    async fn both(&self, holds: impl Fn(&Seen) -> bool, what: &str) -> anyhow::Result<()> {
        let end = pace::now() + DELIVERY_LIMIT;
        loop {
            let look = |seen: &mut Seen| whole(seen).map(|()| holds(seen));
            let theirs = self.reference.look(look).context("reference")?;
            let ours = self.subject.look(look).context("subject")?;
            if theirs && ours {
                return Ok(());
            }
            if pace::now() > end {
                bail!("{what}: reference {}, subject {}", came(theirs), came(ours));
            }
            pace::pause(LOOK_AGAIN).await;
        }
    }
}

/// Checks that no guarantee is broken and the stream has not ended.
fn whole(seen: &mut Seen) -> anyhow::Result<()> {
    ensure!(seen.broken.is_empty(), "the watch stream: {}", seen.broken.join("; "));
    Ok(())
}

fn came(there: bool) -> &'static str {
    if there { "came" } else { "did not come" }
}

fn filters(create: &pb::WatchCreateRequest, filter: FilterType) -> bool {
    create.filters.contains(&(filter as i32))
}

/// The first key that a watcher can see.
fn first_key(create: &pb::WatchCreateRequest) -> Vec<u8> {
    if create.key.is_empty() { vec![0] } else { create.key.to_vec() }
}

fn in_range(create: &pb::WatchCreateRequest, key: &[u8]) -> bool {
    let first = first_key(create);
    match create.range_end.as_ref() {
        [] => key == first,
        [0] => *key >= *first,
        end => *key >= *first && key < end,
    }
}

/// The revision of the last mark that the watcher must see.
fn last_event(create: &pb::WatchCreateRequest, marks: &Marks) -> Option<i64> {
    // A key that was deleted for another watcher may be in this watcher's range too. If the watcher shows deletes, that
    // delete is its last event.
    let deleted = marks.deleted.iter().any(|key| in_range(create, key)) && !filters(create, FilterType::Nodelete);
    let put = !filters(create, FilterType::Noput);
    let last = [(deleted, marks.delete), (put, marks.put)].into_iter().find(|(shown, _)| *shown)?.1;
    (last >= create.start_revision).then_some(last)
}
