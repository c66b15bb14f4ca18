//! Streams on three simulated nodes that crash, are cut off and lose what was not synced: no acknowledged entry is lost or
//! skipped, and of several conditional appends on the same state one succeeds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use naxos::log::{AppendError, Log, Refusal, StreamError, StreamId, StreamReader, Unchanged};
use naxos::{Applicator, Lsn, Naxos, Refused, Rows};
use naxos_sim::{Dice, FAULTS_END, Simulation, elapsed};
use parking_lot::Mutex;

/// The stream whose entries are the numbers 1, 2, 3 and so on.
const COUNT: StreamId = StreamId(100);
/// How many other streams there are.
const STREAMS: u64 = 5;
/// Work goes on for a while when the faults are over.
const BUSY: Duration = FAULTS_END.saturating_add(Duration::from_secs(1));
const AGAIN: Duration = Duration::from_millis(50);

/// Commands beside the entries of the program, so that both are on one log.
struct Rolls;

impl Applicator for Rolls {
    fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
        rows.put([command[0] % 8], command);
        Ok(Vec::new())
    }
}

/// What became of the appends.
#[derive(Default)]
struct Appends {
    /// The streams and the text of each acknowledged entry.
    acknowledged: BTreeMap<Lsn, (Vec<StreamId>, String)>,
    /// Texts that are certainly not in the log.
    refused: BTreeSet<String>,
    /// All numbers that were appended to [`COUNT`] with success.
    counted: BTreeSet<u64>,
    tried: u64,
    conflicts: u64,
}

impl Appends {
    fn in_stream(&self, stream: StreamId) -> BTreeMap<Lsn, String> {
        let is_in = |streams: &[StreamId]| streams.contains(&stream);
        let found = self.acknowledged.iter().filter(|(_, (streams, _))| is_in(streams));
        found.map(|(position, (_, text))| (*position, text.clone())).collect()
    }
}

async fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "the time is simulated")]
    tokio::time::sleep(time).await;
}

/// Appends one entry to up to three streams.
async fn append(log: &Log, appends: &Mutex<Appends>, dice: &mut Dice) {
    let mut streams: Vec<_> = (0..1 + dice.below(3)).map(|_| StreamId(dice.below(STREAMS))).collect();
    streams.sort();
    streams.dedup();
    let text = {
        let mut appends = appends.lock();
        appends.tried += 1;
        format!("entry {}", appends.tried)
    };
    match log.append_to(&streams, &text).await {
        Ok(position) => drop(appends.lock().acknowledged.insert(position, (streams, text))),
        Err(AppendError::Refused(_)) => drop(appends.lock().refused.insert(text)),
        Err(_) => {}
    }
}

/// Plays what is new in a stream, and checks that everything is there that was acknowledged before.
async fn play(
    reader: &mut StreamReader,
    appends: &Mutex<Appends>,
    seen: &mut BTreeMap<Lsn, String>,
) -> Result<Result<Lsn, StreamError>, String> {
    let expected = appends.lock().in_stream(reader.stream());
    let since = match reader.sync().await {
        Ok(since) => since,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        match reader.next().await {
            Ok(Some(entry)) => {
                if seen.last_key_value().is_some_and(|(last, _)| *last >= entry.position) {
                    return Err(format!("stream {}: position {} was played again", reader.stream(), entry.position));
                }
                seen.insert(entry.position, String::from_utf8_lossy(&entry.body).into_owned());
            }
            Ok(None) => break,
            Err(error) => return Ok(Err(error)),
        }
    }
    let missing = expected.iter().find(|(position, text)| seen.get(position) != Some(text));
    match missing {
        None => Ok(Ok(since)),
        Some((position, text)) => Err(format!(
            "stream {}: {text:?} was acknowledged at {position} before the reader synced to {since}, and was not played",
            reader.stream()
        )),
    }
}

/// Adds the next number to [`COUNT`], if nobody is faster.
async fn count(
    log: &Log,
    reader: &mut StreamReader,
    appends: &Mutex<Appends>,
    seen: &mut BTreeMap<Lsn, String>,
) -> Result<(), String> {
    let Ok(since) = play(reader, appends, seen).await? else { return Ok(()) };
    let next = seen.last_key_value().map_or(0, |(_, number)| number.parse::<u64>().expect("a number")) + 1;
    match log.append_if(Unchanged { stream: COUNT, since }, &[COUNT], next.to_string()).await {
        Ok(position) => {
            let mut appends = appends.lock();
            appends.acknowledged.insert(position, (vec![COUNT], next.to_string()));
            if !appends.counted.insert(next) {
                return Err(format!("two conditional appends of {next} succeeded"));
            }
        }
        Err(AppendError::Refused(Refusal::StreamChanged(_))) => appends.lock().conflicts += 1,
        Err(_) => {}
    }
    Ok(())
}

/// Compares each stream with the whole log. `None` if the log cannot be read now.
async fn check(log: &Log, appends: &Mutex<Appends>) -> Result<Option<()>, String> {
    let (Ok(tail), oldest) = (log.tail().await, log.oldest()) else { return Ok(None) };
    let mut whole: BTreeMap<StreamId, BTreeMap<Lsn, String>> = BTreeMap::new();
    let mut from = oldest;
    while from < tail {
        let Ok((entries, next)) = log.read(from, tail, 1 << 20).await else { return Ok(None) };
        for entry in entries {
            let text = String::from_utf8_lossy(&entry.body).into_owned();
            if appends.lock().refused.contains(&text) {
                return Err(format!("{text:?} was refused and is in the log"));
            }
            let streams: Vec<_> = entry.streams().collect();
            streams.into_iter().for_each(|id| drop(whole.entry(id).or_default().insert(entry.position, text.clone())));
        }
        from = next;
    }
    for stream in (0..STREAMS).map(StreamId).chain([COUNT]) {
        let (mut reader, mut seen) = (log.stream(stream, oldest), BTreeMap::new());
        if play(&mut reader, appends, &mut seen).await?.is_err() {
            return Ok(None);
        }
        // Others may append meanwhile.
        let played: BTreeMap<_, _> = seen.into_iter().filter(|(position, _)| *position < tail).collect();
        if played != whole.remove(&stream).unwrap_or_default() {
            return Err(format!("stream {stream} differs from what the log has of it"));
        }
        if stream == COUNT && !played.values().zip(1_u64..).all(|(number, n)| *number == n.to_string()) {
            return Err(format!("two conditional appends on the same state succeeded: {:?}", played.values()));
        }
    }
    Ok(Some(()))
}

/// What the program does on one node.
async fn run(node: Naxos, mut dice: Dice, appends: Arc<Mutex<Appends>>) -> Result<(), String> {
    let mut readers: BTreeMap<StreamId, (StreamReader, BTreeMap<Lsn, String>)> = BTreeMap::new();
    while elapsed() < BUSY {
        pause(Duration::from_millis(dice.below(30))).await;
        let Ok(log) = node.log().await else { continue };
        let oldest = log.oldest();
        let mut reader_of = |stream| {
            let reader = readers.remove(&stream).unwrap_or_else(|| (log.stream(stream, oldest), BTreeMap::new()));
            (stream, reader)
        };
        match dice.below(4) {
            0 => {
                let (stream, (mut reader, mut seen)) = reader_of(StreamId(dice.below(STREAMS)));
                if play(&mut reader, &appends, &mut seen).await?.is_ok() {
                    readers.insert(stream, (reader, seen));
                }
            }
            1 => {
                let (stream, (mut reader, mut seen)) = reader_of(COUNT);
                count(&log, &mut reader, &appends, &mut seen).await?;
                readers.insert(stream, (reader, seen));
            }
            _ => append(&log, &appends, &mut dice).await,
        }
    }
    loop {
        if let Ok(log) = node.log().await
            && check(&log, &appends).await?.is_some()
        {
            return Ok(());
        }
        pause(AGAIN).await;
    }
}

#[test]
fn no_entry_of_a_stream_is_lost_or_skipped() {
    let appends: Arc<Mutex<Appends>> = Arc::default();
    let shared = Arc::clone(&appends);
    Simulation::of(|| Rolls).beside(move |node, dice| run(node, dice, Arc::clone(&shared))).seeds(60).run();
    let appends = appends.lock();
    if std::env::var_os("NAXOS_SIM_SEED").is_some() {
        println!("{} acknowledged, {} conflicts", appends.acknowledged.len(), appends.conflicts);
        assert!(appends.acknowledged.len() > 10, "too little happened");
    }
}
