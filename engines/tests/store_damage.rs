//! Damage to the local store's file. If the file is refused, the error names the file, and the file is left unchanged.
//! If it is not refused, every row is read as it was written. There is one exception: in a file that is too large to be
//! verified, a changed row may go unnoticed. Even then no row is missing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_engines::local_store::{FoundStore, StoreError, StoreExpected, VERIFIED_BYTES_MAX};
use naxos_engines::{LocalStore, RowKey, StoreReader, TableId};
use naxos_proto::ids::{Lsn, StorageId, StoreId};
use naxos_proto::seams::sim::{Drive, SeededEntropy, SimClock, TaskWorker};
use naxos_proto::seams::{Entropy, OpenMode};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

const OWNER: StorageId = StorageId(42);
const ROWS: u32 = 2_000;
const FILE: &str = "store.redb";

fn run<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(body)
}

async fn open(drive: &Drive, storage: StorageId, required: bool) -> Result<LocalStore, StoreError> {
    let clock = Arc::new(SimClock::new(Duration::ZERO));
    let expected =
        StoreExpected { storage, required, lost: None, extent: None, verified_bytes_max: VERIFIED_BYTES_MAX };
    LocalStore::open_expected(drive.mount(), clock, expected).await?.accept().await
}

/// Opens the file as if it were too large to be verified.
async fn find_unverified(drive: &Drive) -> Result<FoundStore, StoreError> {
    let clock = Arc::new(SimClock::new(Duration::ZERO));
    let expected = StoreExpected { storage: OWNER, required: true, lost: None, extent: None, verified_bytes_max: 0 };
    LocalStore::open_expected(drive.mount(), clock, expected).await
}

/// Opens the file without verifying it, and reads all rows in the two ways in which a start reads them: ahead on a
/// Worker, and as a stream.
async fn read_all_ahead(drive: &Drive) -> Result<(), StoreError> {
    let found = find_unverified(drive).await?;
    let (from, below) = (RowKey::new(StoreId(0), TableId(0), &[]), row_behind());
    let mut ahead = found.rows_ahead(&TaskWorker, from.clone(), below.clone());
    let mut rows = Vec::new();
    loop {
        let batch = ahead.next().await?;
        if batch.is_empty() {
            break;
        }
        rows.extend(batch);
    }
    let mut streamed = Vec::new();
    let stream = |reader: &StoreReader| {
        reader.stream(&from, &below, |name, value| streamed.push((name, Bytes::copy_from_slice(value))));
    };
    found.load(stream)?;
    assert!(rows == streamed, "{} rows, {} streamed", rows.len(), streamed.len());
    assert_eq!(rows.len() as u32, ROWS / 3 * 3, "no row is missing, unless the file is refused");
    Ok(())
}

fn key(n: u32) -> RowKey {
    RowKey::new(StoreId(0), TableId(40), &n.to_be_bytes())
}

/// A row key that is greater than the keys of all rows of the store.
fn row_behind() -> RowKey {
    RowKey::new(StoreId(0), TableId(255), &[])
}

fn value(n: u32) -> Bytes {
    (0..200_u32).map(|i| (n.wrapping_mul(31).wrapping_add(i * i) >> 2) as u8).collect::<Vec<_>>().into()
}

/// A file with the rows of three checkpoints. It was closed properly.
fn filled() -> Drive {
    let drive = Drive::new(1);
    run(async {
        for part in 0..3 {
            let mut store = open(&drive, OWNER, part > 0).await.unwrap();
            let mut txn = store.begin();
            (ROWS / 3 * part..ROWS / 3 * (part + 1)).for_each(|n| txn.put(key(n), value(n)));
            txn.commit(Lsn(u64::from(part) + 1));
            let stopped = CancellationToken::new();
            stopped.cancel();
            store.checkpointer(0).run(stopped, |_| ()).await.unwrap();
        }
    });
    drive
}

fn bytes(drive: &Drive) -> Vec<u8> {
    let mut found = Vec::new();
    drive.damage(FILE, |content| found.clone_from(content));
    found
}

fn check(reader: &StoreReader, context: &str) {
    assert_eq!(reader.applied(), Lsn(3), "{context}");
    for n in 0..ROWS / 3 * 3 {
        assert_eq!(reader.get(&key(n)), Some(value(n)), "{context}: row {n}");
    }
}

/// Whether the damaged file is refused. If it is, it must not be changed; if not, every row must be as it was written.
fn refused(drive: &Drive, context: &str) -> bool {
    let before = bytes(drive);
    match run(open(drive, OWNER, true)) {
        Ok(store) => {
            check(&store.reader(), context);
            false
        }
        Err(e) => {
            let text = e.to_string();
            assert!(
                text.contains(FILE) && (text.contains(" expected ") || text.contains("reads version")),
                "{context}: {text}"
            );
            assert_eq!(bytes(drive), before, "{context}: {text}");
            true
        }
    }
}

#[test]
fn flipped_bits_are_refused_or_harmless() {
    let drive = filled();
    let used = bytes(&drive).iter().rposition(|b| *b != 0).unwrap();
    let random = SeededEntropy::new(5);
    let mut refusals = 0;
    for round in 0..400 {
        let copy = drive.copy(round);
        let within = if round % 4 == 0 { 512 } else { used };
        let (at, bit) = (random.u64() as usize % within, random.u64() % 8);
        copy.damage(FILE, |content| content[at] ^= 1 << bit);
        refusals += u32::from(refused(&copy, &format!("round {round}: bit {bit} of byte {at}")));
    }
    assert!(refusals > 100, "{refusals}");
}

/// Regression: a start panicked inside redb and named no file.
#[test]
fn flipped_bits_of_a_file_that_is_not_verified_are_refused_or_not_noticed() {
    let drive = filled();
    let used = bytes(&drive).iter().rposition(|b| *b != 0).unwrap();
    let random = SeededEntropy::new(7);
    let mut refusals = 0;
    for round in 0..2_000 {
        let copy = drive.copy(round);
        // Pages begin with fields that redb trusts: kinds, counts and offsets.
        let at = match round % 4 {
            0 => random.u64() as usize % 512,
            1 => random.u64() as usize % used,
            _ => (random.u64() as usize % used / 4_096 * 4_096 + random.u64() as usize % 64).min(used),
        };
        let bit = random.u64() % 8;
        copy.damage(FILE, |content| content[at] ^= 1 << bit);
        let before = bytes(&copy);
        let loaded = run(LocalSet::new().run_until(read_all_ahead(&copy)));
        let context = format!("round {round}: bit {bit} of byte {at}");
        if let Err(e) = loaded {
            let text = e.to_string();
            let says = text.contains(" expected ") || text.contains("reads version");
            assert!(text.contains(FILE) && says, "{context}: {text}");
            refusals += 1;
        }
        assert_eq!(bytes(&copy), before, "{context}: nothing is written before the rows are accepted");
    }
    assert!(refusals > 200, "{refusals}");
}

/// Regression: a flipped bit in a leaf's number of rows ended the walk over all rows early, or left rows out, and no
/// error said so.
#[test]
fn leaves_that_have_lost_rows_are_refused_when_all_rows_are_read() {
    /// The first byte of a leaf page of redb. One more byte follows, then the number of rows as u16.
    const LEAF: u8 = 1;
    const PAGE: usize = 4_096;
    let drive = filled();
    let content = bytes(&drive);
    let mut refusals = 0;
    for page in (0..content.len()).step_by(PAGE).filter(|page| content[*page] == LEAF) {
        for bit in 0..4 {
            let copy = drive.copy(page as u64);
            copy.damage(FILE, |content| content[page + 2] ^= 1 << bit);
            // If the file is accepted, all rows were read, so the page was not in use.
            let read = run(LocalSet::new().run_until(read_all_ahead(&copy)));
            refusals += u32::from(read.is_err());
        }
    }
    assert!(refusals > 100, "{refusals}");
}

#[test]
fn an_unfinished_copy_is_removed_by_a_start_that_accepts_the_file() {
    let drive = filled();
    let unfinished = "store.redb.new";
    run(async { drive.mount().open(unfinished, OpenMode::CreateNew).await.map(drop) }).unwrap();
    let files = |drive: &Drive| drive.paths().iter().filter(|p| *p == unfinished).count();
    assert!(run(open(&drive, StorageId(43), true)).is_err());
    drop(run(find_unverified(&drive)).unwrap());
    assert_eq!(files(&drive), 1, "a refused start removes nothing");
    run(open(&drive, OWNER, true)).unwrap();
    assert_eq!(files(&drive), 0);
}

#[test]
fn truncated_and_random_files_are_refused() {
    let drive = filled();
    let len = bytes(&drive).len();
    let random = SeededEntropy::new(6);
    for round in 0..40 {
        let copy = drive.copy(round);
        let kept = random.u64() as usize % (len / 2);
        copy.damage(FILE, |content| content.truncate(kept));
        assert!(refused(&copy, &format!("{kept} bytes of {len} are left")));
        copy.damage(FILE, |content| *content = (0..kept).map(|_| random.u64() as u8).collect());
        assert!(refused(&copy, &format!("{kept} random bytes")));
    }
}

#[test]
fn a_file_that_is_missing_or_of_another_directory_is_refused() {
    let drive = filled();
    let foreign = run(open(&drive, StorageId(43), true)).err().unwrap().to_string();
    assert!(foreign.contains("000000000000002a") && foreign.contains("expected 000000000000002b"), "{foreign}");
    let empty = Drive::new(2);
    let missing = run(open(&empty, OWNER, true)).err().unwrap();
    assert!(matches!(missing, StoreError::Missing), "{missing}");
    assert!(empty.paths().is_empty(), "nothing is made in its place");
    run(open(&empty, OWNER, false)).unwrap();
}

#[test]
fn a_file_that_notes_no_owner_opens() {
    let drive = Drive::new(1);
    let clock = Arc::new(SimClock::new(Duration::ZERO));
    drop(run(LocalStore::open(drive.mount(), clock)).unwrap());
    run(open(&drive, OWNER, true)).unwrap();
}
