//! Streams on a real log: playback in order and complete whatever happens to the log, conditional appends, selective
//! playback, trimming.

#[expect(dead_code, reason = "this test uses a part of it")]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::BoxStream;
use naxos_client::streams::{Entry, Log, StreamError};
use naxos_client::{LogError, MemoryMetaStore, Record, SharedLog, VirtualLog, VirtualLogParts};
use naxos_proto::chain::LogletKind;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, Refusal};
use naxos_proto::ids::{Lsn, StreamId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::SimClock;
use naxos_proto::splitmix::SplitMix64;
use naxos_proto::streams::{StreamHeader, StreamTails, Unchanged};
use support::{Rig, simulate};

const KINDS: [LogletKind; 2] = [LogletKind::NATIVE, LogletKind::CORFU];

async fn rig_of(count: u64) -> Rig {
    Rig::over(count, |unit| unit, |sequencer| sequencer).await
}

fn parts(rig: &Rig, kind: LogletKind) -> VirtualLogParts {
    let mut parts = rig.parts();
    parts.config.kind = kind;
    parts
}

/// Plays a stream from `from` to its end.
async fn play(log: &Log, stream: StreamId, from: Lsn) -> Vec<(Lsn, String)> {
    let mut reader = log.stream(stream, from);
    reader.sync().await.unwrap();
    let mut played = Vec::new();
    while let Some(Entry { position, body, .. }) = reader.next().await.unwrap() {
        played.push((position, String::from_utf8(body.to_vec()).unwrap()));
    }
    assert_eq!(reader.next_position(), log.tail().await.unwrap());
    played
}

/// Makes a hole in a Corfu loglet, as a client does that dies after it got an offset. The offset is in the stream as far as
/// the sequencer knows.
async fn die_after_grant(rig: &Rig, log: &VirtualLog, stream: StreamId) {
    let active = log.chain().1.active().clone();
    if active.params.kind == LogletKind::CORFU {
        let own = rig.alive.sequencers[0];
        let header = StreamHeader::blank(&[stream], None, b"");
        rig.sequencers.sequencer(own).unwrap().grant_in_streams(active.params.id, own, vec![header]).await.unwrap();
    }
}

#[test]
fn every_stream_is_played_whole_whatever_happened_to_the_log() {
    for seed in 0..12 {
        simulate(async move {
            let mut dice = SplitMix64::new(seed);
            let rig = rig_of(if seed % 3 == 0 { 1 } else { 3 }).await;
            let shared = VirtualLog::start(parts(&rig, KINDS[seed as usize % 2])).await.unwrap();
            let log = Log::new(shared.clone());
            let mut appended: BTreeMap<StreamId, Vec<(Lsn, String)>> = BTreeMap::new();
            for n in 0..200 {
                let streams: Vec<_> = (0..dice.below(4)).map(|_| StreamId(dice.below(6))).collect();
                let text = format!("entry {n}");
                let position = match streams.is_empty() {
                    true => log.append(&text).await.unwrap(),
                    false => log.append_to(&streams, &text).await.unwrap(),
                };
                let mut streams = streams;
                streams.sort();
                streams.dedup();
                streams.iter().for_each(|id| appended.entry(*id).or_default().push((position, text.clone())));
                match dice.below(20) {
                    0 => drop(shared.reconfigure(Some(KINDS[dice.below(2) as usize])).await.unwrap()),
                    1..3 => {
                        for _ in 0..dice.below(6) {
                            die_after_grant(&rig, &shared, StreamId(0)).await;
                        }
                    }
                    _ => {}
                }
            }
            for (stream, expected) in &appended {
                let from = Lsn(dice.below(200));
                let above: Vec<_> = expected.iter().filter(|(position, _)| *position >= from).cloned().collect();
                assert_eq!(play(&log, *stream, from).await, above, "stream {stream} from {from}, seed {seed}");
                assert_eq!(&play(&log, *stream, Lsn::ZERO).await, expected, "stream {stream}, seed {seed}");
                // Backwards, too.
                let reader = log.stream(*stream, Lsn::ZERO);
                let mut back = Vec::new();
                let mut entry = reader.newest_below(Lsn(u64::MAX)).await.unwrap();
                while let Some(found) = entry {
                    back.push(found.position);
                    entry = reader.previous(&found).await.unwrap();
                }
                back.reverse();
                assert_eq!(back, expected.iter().map(|(position, _)| *position).collect::<Vec<_>>());
                for (position, _) in expected {
                    let newest = reader.newest_below(position.next()).await.unwrap().map(|entry| entry.position);
                    assert_eq!(newest, Some(*position));
                }
            }
            rig.stop().await;
        });
    }
}

#[test]
fn of_those_who_saw_the_same_entries_one_appends() {
    for kind in KINDS {
        simulate(async move {
            let rig = rig_of(3).await;
            let shared = VirtualLog::start(parts(&rig, kind)).await.unwrap();
            let log = Log::new(shared.clone());
            let count = StreamId(3);
            // Each adds one to what it read, ten times, and meanwhile the log is reconfigured.
            let add = async |n: u64| {
                let mut reader = log.stream(count, Lsn::ZERO);
                let (mut seen, mut refused) = (0, 0_u32);
                for _ in 0..10 {
                    loop {
                        let since = reader.sync().await.unwrap();
                        while let Some(entry) = reader.next().await.unwrap() {
                            let number = u64::from_le_bytes(entry.body[..].try_into().unwrap());
                            assert_eq!(number, seen + 1, "writer {n}");
                            seen = number;
                        }
                        let body = (seen + 1).to_le_bytes();
                        match log.append_if(Unchanged { stream: count, since }, &[count], body).await {
                            Ok(_) => break,
                            Err(AppendError::Refused(Refusal::StreamChanged(_))) => refused += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                refused
            };
            let changes = async {
                for _ in 0..3 {
                    SimClock::new(Duration::ZERO).sleep(Duration::from_millis(1)).await;
                    shared.reconfigure(None).await.unwrap();
                }
            };
            let (refused, ()) = futures::future::join(join_all((0..4).map(add)), changes).await;
            assert!(refused.iter().sum::<u32>() > 0, "nobody was ever too late");
            let numbers = play_numbers(&log, count).await;
            assert_eq!(numbers, (1..=40).collect::<Vec<u64>>());
            rig.stop().await;
        });
    }
}

#[test]
fn an_offset_that_nobody_writes_does_not_refuse_a_condition_for_ever() {
    simulate(async {
        let rig = rig_of(3).await;
        let shared = VirtualLog::start(parts(&rig, LogletKind::CORFU)).await.unwrap();
        let (log, stream) = (Log::new(shared.clone()), StreamId(3));
        log.append_to(&[stream], "one").await.unwrap();
        die_after_grant(&rig, &shared, stream).await;
        let mut reader = log.stream(stream, Lsn::ZERO);
        let mut tries = Vec::new();
        for _ in 0..3 {
            let since = reader.sync().await.unwrap();
            tries.push(log.append_if(Unchanged { stream, since }, &[stream], "two").await);
        }
        let changed = |since| AppendError::Refused(Refusal::StreamChanged(Unchanged { stream, since }));
        assert_eq!(tries, [Err(changed(Lsn(1))), Ok(Lsn(2)), Ok(Lsn(3))]);
        rig.stop().await;
    });
}

async fn play_numbers(log: &Log, stream: StreamId) -> Vec<u64> {
    let mut reader = log.stream(stream, Lsn::ZERO);
    reader.sync().await.unwrap();
    let mut numbers = Vec::new();
    while let Some(entry) = reader.next().await.unwrap() {
        numbers.push(u64::from_le_bytes(entry.body[..].try_into().unwrap()));
    }
    numbers
}

/// Counts the bytes that are read.
struct Counting {
    log: Arc<VirtualLog>,
    bytes: AtomicU64,
}

impl SharedLog for Counting {
    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Lsn, AppendError>>) {
        self.log.append(batch, done);
    }

    fn check_tail(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        self.log.check_tail()
    }

    fn check_tail_now(&self) -> Option<Lsn> {
        self.log.check_tail_now()
    }

    fn stream_tails<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<StreamTails, LogError>> {
        self.log.stream_tails(streams)
    }

    fn read(&self, from: Lsn, below: Lsn, max_bytes: usize) -> BoxFuture<'_, Result<(Vec<Record>, Lsn), LogError>> {
        Box::pin(async move {
            let found = self.log.read(from, below, max_bytes).await?;
            let bytes = found.0.iter().map(|record| record.payload.len() as u64).sum();
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            Ok(found)
        })
    }

    fn follow(self: Arc<Self>, from: Lsn) -> BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>> {
        Arc::clone(&self.log).follow(from)
    }

    fn trim(&self, up_to: Lsn) -> BoxFuture<'_, Result<(), LogError>> {
        self.log.trim(up_to)
    }

    fn ordinal(&self) -> u64 {
        self.log.ordinal()
    }
}

#[test]
fn a_stream_of_a_hundredth_of_a_million_entries_reads_less_than_three_hundredths_of_the_log() {
    simulate(async {
        let rig = Rig::with_segments(1, 16 << 20, |unit| unit, |sequencer| sequencer).await;
        let log = VirtualLog::start(rig.parts()).await.unwrap();
        let (rare, early, body) = (StreamId(1), StreamId(5_000), [7; 100]);
        Log::new(log.clone()).append_to(&[early], "alone").await.unwrap();
        let mut bytes = 0;
        for batch in 0..1_000 {
            let cells = (0..1_000).map(|n| {
                let stream = if n % 100 == batch % 100 { rare } else { StreamId(2 + n) };
                let cell = Cell { in_streams: true, ..Cell::new(StreamHeader::blank(&[stream], None, &body)) };
                bytes += cell.payload.len() as u64;
                cell
            });
            let (done, outcome) = Completion::channel();
            log.append(cells.collect(), done);
            outcome.await.unwrap();
        }
        let counting = Arc::new(Counting { log, bytes: AtomicU64::new(0) });
        let mut reader = Log::new(Arc::clone(&counting) as Arc<dyn SharedLog>).stream(rare, Lsn::ZERO);
        reader.sync().await.unwrap();
        let mut played = 0;
        while reader.next().await.unwrap().is_some() {
            played += 1;
        }
        let read = counting.bytes.load(Ordering::Relaxed);
        assert_eq!(played, 10_000);
        assert!(read * 100 < bytes * 3, "{read} of {bytes} bytes were read");

        // A new sequencer knows nothing of the segment before its own. The first reader searches it, the next one does not.
        counting.log.reconfigure(None).await.unwrap();
        let log = Log::new(Arc::clone(&counting) as Arc<dyn SharedLog>);
        let reads_of = async || {
            counting.bytes.store(0, Ordering::Relaxed);
            let mut reader = log.stream(early, Lsn::ZERO);
            reader.sync().await.unwrap();
            assert_eq!(reader.next().await.unwrap().unwrap().position, Lsn(0));
            assert_eq!(reader.next().await.unwrap(), None);
            counting.bytes.load(Ordering::Relaxed)
        };
        let reads = [reads_of().await, reads_of().await];
        assert!(reads[0] > bytes / 2 && reads[1] < bytes / 1_000, "{reads:?} of {bytes} bytes were read");
        rig.stop().await;
    });
}

#[test]
fn a_reader_whose_entries_were_trimmed_is_told_where_to_begin() {
    simulate(async {
        let rig = rig_of(3).await;
        let log = Log::new(VirtualLog::start(rig.parts()).await.unwrap());
        let stream = StreamId(1);
        for n in 0..20 {
            log.append_to(&[stream], format!("entry {n}")).await.unwrap();
        }
        let mut behind = log.stream(stream, Lsn(3));
        log.trim(Lsn(12)).await.unwrap();
        behind.sync().await.unwrap();
        let error = behind.next().await.unwrap_err();
        assert_eq!(error, StreamError::Trimmed { stream, next: Lsn(3), trimmed: Lsn(12) });
        assert!(error.to_string().contains("expected a reader that starts at 12"), "{error}");
        assert_eq!(play(&log, stream, Lsn(12)).await.len(), 8);
        let entry = log.stream(stream, Lsn(12)).newest_below(Lsn(13)).await.unwrap().unwrap();
        let before = log.stream(stream, Lsn(12)).previous(&entry).await;
        assert!(matches!(before, Err(StreamError::Log(LogError::Trimmed(Lsn(12))))), "{before:?}");
        rig.stop().await;
    });
}

#[test]
fn an_append_to_no_stream_is_a_plain_append() {
    for kind in KINDS {
        simulate(async move {
            let rig = rig_of(1).await;
            let log = Log::new(VirtualLog::start(parts(&rig, kind)).await.unwrap());
            let plain = log.append("plain").await.unwrap();
            let to_none = log.append_to(&[], "to none").await.unwrap();
            let (entries, _) = log.read(plain, to_none.next(), 1 << 20).await.unwrap();
            let found: Vec<_> = entries.iter().map(|entry| (entry.position, entry.streams().count())).collect();
            assert_eq!(found, [(plain, 0), (to_none, 0)]);
            rig.stop().await;
        });
    }
}

#[test]
fn what_a_log_cannot_do_is_refused_with_what_was_expected() {
    simulate(async {
        let rig = rig_of(1).await;
        let log = Log::new(VirtualLog::start(rig.parts()).await.unwrap());
        let too_many: Vec<_> = (0..65).map(StreamId).collect();
        let error = log.append_to(&too_many, "x").await.unwrap_err();
        assert!(error.to_string().contains("65 streams, expected at most 64"), "{error}");
        let error = log.append(vec![0; 12 << 20]).await.unwrap_err();
        assert!(matches!(error, AppendError::Refused(Refusal::TooLarge { .. })), "{error}");
        assert_eq!(log.tail().await, Ok(Lsn(0)), "nothing was appended");
        rig.stop().await;

        let rig = rig_of(1).await;
        let mut parts = parts(&rig, LogletKind::MEMORY);
        parts.providers = vec![Arc::new(naxos_client::loglets::MemoryProvider::default())];
        parts.meta = Arc::new(MemoryMetaStore::default());
        let log = Log::new(VirtualLog::start(parts).await.unwrap());
        assert_eq!(log.append("in no stream").await, Ok(Lsn(0)));
        assert!(matches!(log.append_to(&[StreamId(1)], "x").await, Err(AppendError::Refused(Refusal::Unsupported(_)))));
        let error = log.stream(StreamId(1), Lsn(0)).sync().await.unwrap_err();
        assert!(error.to_string().contains("no streams"), "{error}");
        rig.stop().await;
    });
}

#[test]
fn more_bytes_than_a_lane_holds_may_be_on_their_way() {
    for units in [1, 3] {
        simulate(async move {
            let rig = Rig::with_segments(units, 64 << 20, |unit| unit, |sequencer| sequencer).await;
            let shared = VirtualLog::start(rig.parts()).await.unwrap();
            // All at once, and not through a handle, which would let some of them wait.
            let appends = (0..100).map(|_| {
                let (done, outcome) = Completion::channel();
                shared.append(vec![Cell::new(vec![1; 1 << 20].into())], done);
                outcome
            });
            let outcomes = join_all(appends.collect::<Vec<_>>()).await;
            assert!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() > 50, "{outcomes:?}");
            let log = Log::new(shared);
            assert!(log.append("afterwards").await.is_ok());
            let large = join_all((0..100).map(|_| log.append(vec![1; 1 << 20]))).await;
            assert!(large.iter().all(Result::is_ok), "a handle lets them wait: {large:?}");
            rig.stop().await;
        });
    }
}

#[test]
fn a_follower_gets_what_was_appended_and_not_the_records_of_others() {
    simulate(async {
        let rig = rig_of(3).await;
        let shared = VirtualLog::start(rig.parts()).await.unwrap();
        let log = Log::new(shared.clone());
        log.append("one").await.unwrap();
        let (done, outcome) = Completion::channel();
        shared.append(vec![Cell::new("of a store".into())], done);
        outcome.await.unwrap();
        log.append_to(&[StreamId(4)], "two").await.unwrap();
        let (mut items, mut bodies, mut next) = (log.follow(Lsn(0)), Vec::new(), Lsn(0));
        while next < Lsn(3) {
            let (entries, at) = items.next().await.unwrap().unwrap();
            bodies.extend(entries.into_iter().map(|entry| entry.body));
            next = at;
        }
        assert_eq!(bodies, ["one", "two"]);
        let (entries, next) = log.read(Lsn(0), Lsn(3), usize::MAX).await.unwrap();
        assert_eq!((entries.len(), next), (2, Lsn(3)));
        assert_eq!(entries[1].streams().collect::<Vec<_>>(), [StreamId(4)]);
        rig.stop().await;
    });
}
