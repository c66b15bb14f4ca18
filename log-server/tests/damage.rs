//! Files that are truncated, have flipped bits or hold random bytes. The outcome must be a clear refusal to start, or
//! `Corrupt` for the cells that were hit; never wrong bytes and never a panic.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use naxos_log_server::{LogServer, LogServerConfig, OpenError, Unit};
use naxos_proto::contracts::{CellOutcome, CellState, Purpose, StorageUnit, Store, UnitError};
use naxos_proto::ids::{LogletId, Offset};
use naxos_proto::seams::Entropy;
use naxos_proto::seams::sim::{Drive, SeededEntropy};
use proptest::prelude::*;
use support::{id, open, params, payload, request, sim_seams, simulate, small, store};
use tokio_util::sync::CancellationToken;

const CELLS: u64 = 160;

/// Returns a drive with three loglets over several segments, and the payloads of the cells that can still be read. One
/// loglet is sealed, one dropped and one trimmed. The server was shut down properly.
fn filled() -> (Drive, BTreeMap<(LogletId, u64), Bytes>) {
    let drive = Drive::new(3);
    let mut written = BTreeMap::new();
    simulate(async {
        let server = open(&drive).await.unwrap();
        let unit = server.unit();
        for ordinal in 1..=3 {
            unit.open(id(ordinal), params()).await.unwrap();
        }
        for at in 0..CELLS {
            for ordinal in 1..=3 {
                let bytes = payload(at * 3 + ordinal, 100 + (at as usize * 37) % 900);
                store(unit, request(id(ordinal), at, std::slice::from_ref(&bytes), at)).await.unwrap();
                written.insert((id(ordinal), at), bytes);
            }
        }
        unit.seal(id(1)).await.unwrap();
        unit.drop_loglet(id(2)).await.unwrap();
        unit.trim(id(3), Offset(CELLS / 2)).await.unwrap();
        // A start cannot always distinguish a damaged last batch from a torn one, and it drops a torn one. So the last
        // batch holds nothing that this test checks.
        unit.open(id(9), params()).await.unwrap();
        server.shutdown().await.unwrap();
    });
    written.retain(|(loglet, at), _| *loglet == id(1) || *loglet == id(3) && *at >= CELLS / 2);
    (drive, written)
}

async fn check(unit: &Arc<Unit>, written: &BTreeMap<(LogletId, u64), Bytes>, context: &str) -> usize {
    let mut corrupt = 0;
    assert!(unit.tail(id(1)).await.unwrap().sealed, "{context}: the seal is gone");
    assert_eq!(unit.tail(id(2)).await, Err(UnitError::Dropped(id(2))), "{context}");
    assert_eq!(unit.tail(id(3)).await.unwrap().trim_point, Offset(CELLS / 2), "{context}");
    for ((loglet, at), bytes) in written {
        let cell = unit.read(*loglet, Offset(*at)..Offset(at + 1), usize::MAX).await.unwrap();
        match &cell[..] {
            [CellState::Present(found)] => assert_eq!(found, bytes, "{context}: {loglet} at {at}"),
            [CellState::Corrupt] => corrupt += 1,
            other => panic!("{context}: {loglet} at {at} answers {other:?}"),
        }
    }
    corrupt
}

/// Opens `drive` and reads everything. Returns the number of damaged cells.
fn reopen(drive: &Drive, written: &BTreeMap<(LogletId, u64), Bytes>, context: &str) -> Result<usize, OpenError> {
    simulate(async {
        let server = open(drive).await?;
        let corrupt = check(server.unit(), written, context).await;
        server.shutdown().await.unwrap();
        Ok(corrupt)
    })
}

#[test]
fn flipped_bits_are_corrupt_cells_or_a_refusal() {
    let (drive, written) = filled();
    let random = SeededEntropy::new(11);
    let (mut refused, mut corrupt, mut harmless) = (0, 0, 0);
    let paths: Vec<_> = drive.paths();
    for round in 0..600 {
        let path = &paths[(random.u64() % paths.len() as u64) as usize];
        let copy = drive.copy(round);
        let mut flipped = 0;
        copy.damage(path, |content| {
            if !content.is_empty() {
                flipped = random.u64() as usize % content.len();
                content[flipped] ^= 1 << (random.u64() % 8);
            }
        });
        let context = format!("round {round}: {path} byte {flipped}");
        match reopen(&copy, &written, &context) {
            Ok(0) => harmless += 1,
            Ok(_) => corrupt += 1,
            Err(e) => {
                assert!(e.to_string().contains("expected"), "{context}: {e}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20 && corrupt > 20 && harmless > 20, "{refused} {corrupt} {harmless}");
}

#[test]
fn a_rotted_sector_is_corrupt_cells_or_a_refusal() {
    let (drive, written) = filled();
    let random = SeededEntropy::new(12);
    let paths: Vec<_> = drive.paths().into_iter().filter(|p| p.ends_with(".seg")).collect();
    for round in 0..300 {
        let path = &paths[(random.u64() % paths.len() as u64) as usize];
        let copy = drive.copy(round);
        let mut at = 0;
        copy.damage(path, |content| {
            at = (random.u64() as usize % (content.len() / 512)) * 512;
            content[at..at + 512].fill(if round % 2 == 0 { 0 } else { 0xff });
        });
        let context = format!("round {round}: {path} sector at {at}");
        if let Err(e) = reopen(&copy, &written, &context) {
            assert!(e.to_string().contains("expected"), "{context}: {e}");
        }
    }
}

/// A flipped bit must not be mistaken for a torn write. A start has two ways to recognize a flipped bit
/// (`log-server/src/journal/torn.rs`):
///
/// - No sector of the record ends in zeros. After a torn write, some sector would end in zeros (point 1 there).
/// - Some sector of the record ends in zeros, but flipping one single bit makes the record right, and a torn write does
///   not explain this bit (points 3 and 4 there). A torn write explains it only if all bytes from the wrong one to the
///   end of its sector are zero, and the byte before the wrong one is zero too or belongs to another sector.
///
/// One of the bodies is all spaces, because a space differs from a zero byte in one bit only. If that bit flips in the
/// last byte of a sector, it looks as if this byte had not been written.
#[test]
fn a_flipped_bit_in_the_last_batch_is_not_a_torn_write() {
    let kubernetes = [vec![0xa5; 300], vec![0x1a, 0, 0x22, 0]].concat();
    let with_zeros = [vec![0xa5; 700], vec![0; 600], vec![0xa5; 700]].concat();
    for body in [vec![0xa5; 3_000], vec![0xa5; 40], vec![b' '; 450], kubernetes, with_zeros] {
        flip_in_the_last_batch(&Bytes::from(body));
    }
}

/// A long record almost always has a sector that ends in a zero byte of the record itself. So the zeros do not show
/// whether the write was torn. Only the second way, the search for a single wrong bit, shows it.
#[test]
fn a_flipped_bit_in_a_long_last_record_is_not_a_torn_write() {
    let random = SeededEntropy::new(14);
    let mut noise: Vec<u8> = (0..300_000).map(|_| random.u64() as u8).collect();
    noise.extend([0x1a, 0, 0x22, 0]);
    let drive = Drive::new(6);
    let body = Bytes::from(noise);
    // A start reads the size of an existing segment from the segment's file. So `check_flip` can open this drive although
    // its configuration asks for smaller segments.
    let (path, at) = in_the_last_batch(&drive, 2 << 20, &body);
    for round in 0..24 {
        let flipped = at + random.u64() as usize % body.len();
        check_flip(&drive, &path, flipped, (round % 8) as u8, true, &body);
    }
}

/// The first write of a segment includes its header, so a damaged header could be mistaken for a torn first write.
#[test]
fn a_flipped_bit_in_the_header_of_the_newest_segment_is_not_a_torn_write() {
    let (drive, written) = filled();
    let mut newest = drive.paths().into_iter().filter(|p| p.ends_with(".seg"));
    let newest = newest.rfind(|p| drive.content(p).unwrap().iter().any(|b| *b != 0)).unwrap();
    for bit in 0..64 * 8 {
        let copy = drive.copy(bit as u64);
        // Only the first batch of the segment stays.
        copy.damage(&newest, |content| {
            let second = (8_192..content.len()).step_by(4_096).find(|at| &content[*at..at + 4] == b"NXRC");
            if let Some(second) = second {
                content[second..].fill(0);
            }
            content[bit / 8] ^= 1 << (bit % 8);
        });
        let before = copy.content(&newest);
        let context = format!("bit {bit} of {newest}");
        let text = reopen(&copy, &written, &context).expect_err(&context).to_string();
        assert!(text.contains("expected") && text.contains(&newest), "{context}: {text}");
        assert_eq!(copy.content(&newest), before, "{context}: it is left as it was");
    }
}

/// Stores a cell with `body`, then flips bits of its batch one at a time.
fn flip_in_the_last_batch(body: &Bytes) {
    let drive = Drive::new(5);
    let (path, at) = in_the_last_batch(&drive, small().segment_bytes, body);
    let batch = at - at % 4_096;
    let in_body = (0..body.len()).step_by(if body.len() < 500 { 1 } else { 13 }).map(|n| at + n);
    for flipped in (batch..at).chain(in_body) {
        for bit in [0, 2, 5, 7] {
            check_flip(&drive, &path, flipped, bit, flipped >= at, body);
        }
    }
}

/// Stores a cell with `body`. Returns the file that holds its batch, and the position of the body in it.
fn in_the_last_batch(drive: &Drive, segment_bytes: u64, body: &Bytes) -> (String, usize) {
    let config = LogServerConfig { segment_bytes, ..small() };
    simulate(async {
        let server = LogServer::open(sim_seams(drive, 1), config, CancellationToken::new()).await.unwrap();
        server.unit().open(id(1), params()).await.unwrap();
        store(server.unit(), request(id(1), 0, std::slice::from_ref(body), 0)).await.unwrap();
        server.shutdown().await.unwrap();
    });
    let is_body = |content: &[u8]| content.windows(body.len()).position(|w| w == body);
    drive.paths().into_iter().find_map(|p| Some((p.clone(), is_body(&drive.content(&p)?)?))).expect("it is stored")
}

/// Flips one bit in the batch that holds `body`. After the next start the cell must be `Corrupt`. If the bit is not in
/// the body, the start may also be refused. `in_body` says whether the bit is in the body.
fn check_flip(drive: &Drive, path: &str, flipped: usize, bit: u8, in_body: bool, body: &Bytes) {
    let copy = drive.copy(flipped as u64);
    copy.damage(path, |content| content[flipped] ^= 1 << bit);
    let cells = simulate(async {
        let server = open(&copy).await?;
        let cells = server.unit().read(id(1), Offset(0)..Offset(1), usize::MAX).await.unwrap();
        server.shutdown().await.unwrap();
        Ok::<_, OpenError>(cells)
    });
    match cells {
        Ok(cells) => assert_eq!(cells, [CellState::Corrupt], "bit {bit} of byte {flipped}"),
        // The bit is before the body, where the batch's directory is. Without the directory a start cannot tell which
        // cells the batch held, so it may be refused.
        Err(refused) => {
            assert!(!in_body && refused.to_string().contains("expected"), "bit {bit} of byte {flipped}: {refused}");
        }
    }
    healed(&copy, path, flipped, bit, body);
}

/// Flips the bit back, as if it had been a read error, and checks that the next start finds the cell. The start before
/// that, while the bit was wrong, may have written to the journal. This must not do any harm.
fn healed(drive: &Drive, path: &str, byte: usize, bit: u8, body: &Bytes) {
    drive.damage(path, |content| content[byte] ^= 1 << bit);
    let cells = simulate(async {
        let server = open(drive).await.unwrap_or_else(|e| panic!("bit {bit} of byte {byte} is right again: {e}"));
        let cells = server.unit().read(id(1), Offset(0)..Offset(1), usize::MAX).await.unwrap();
        server.shutdown().await.unwrap();
        cells
    });
    assert_eq!(cells, [CellState::Present(body.clone())], "bit {bit} of byte {byte}");
}

#[test]
fn a_truncated_segment_is_refused_and_named() {
    let (drive, written) = filled();
    let random = SeededEntropy::new(13);
    // Spare segments are left out. They are all zeros and hold no data, so a start need not refuse a truncated one.
    let is_used = |path: &str| path.ends_with(".seg") && drive.content(path).unwrap().iter().any(|byte| *byte != 0);
    let mut refused = 0;
    for path in drive.paths().iter().filter(|p| is_used(p)) {
        for round in 0..8 {
            let copy = drive.copy(round);
            // The first round leaves an empty file, the second one less than a header.
            let len = [0, 63].get(round as usize).copied();
            let len = len.unwrap_or_else(|| random.u64() as usize % drive.content(path).unwrap().len());
            copy.damage(path, |content| content.truncate(len));
            let context = format!("{path} of {len} bytes");
            let text = reopen(&copy, &written, &context).expect_err(&context).to_string();
            assert!(text.contains("expected") && text.contains(path.as_str()), "{context}: {text}");
            assert_eq!(copy.content(path).unwrap().len(), len, "{context}: it is left as it was");
            refused += 1;
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn damage_is_found_on_a_read_after_the_start_too() {
    let (drive, written) = filled();
    let config = LogServerConfig { cache_bytes_max: 0, ..small() };
    simulate(async {
        let server = LogServer::open(sim_seams(&drive, 1), config, CancellationToken::new()).await.unwrap();
        for path in drive.paths().iter().filter(|p| p.ends_with(".seg")) {
            drive.damage(path, |content| content.iter_mut().step_by(700).for_each(|b| *b ^= 4));
        }
        assert!(check(server.unit(), &written, "rotted while open").await > 10);
        server.shutdown().await.unwrap();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_as_a_segment_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..9_000), at in 0_usize..60_000) {
        let (drive, _) = FILLED.with(|f| (f.0.copy(1), ()));
        let path = drive.paths().into_iter().rfind(|p| p.ends_with(".seg")).unwrap();
        drive.damage(&path, |content| {
            let end = (at + bytes.len()).min(content.len());
            if at < end {
                content[at..end].copy_from_slice(&bytes[..end - at]);
            }
        });
        // Any result is right, as long as the start does not panic.
        let _ = simulate(async { open(&drive).await.map(|_| ()) });
    }

    #[test]
    fn random_files_never_panic(segment in prop::collection::vec(any::<u8>(), 0..20_000), format in any::<Vec<u8>>()) {
        let drive = FILLED.with(|f| f.0.copy(1));
        for path in drive.paths().iter().filter(|p| p.ends_with(".seg")) {
            drive.damage(path, |content| content.clone_from(&segment));
        }
        let refused = simulate(async { open(&drive).await.map(|_| ()) });
        prop_assert!(refused.is_err());
        drive.damage("format", |content| content.clone_from(&format));
        let refused = simulate(async { open(&drive).await.map(|_| ()) });
        prop_assert!(refused.is_err());
    }
}

thread_local! {
    static FILLED: (Drive, BTreeMap<(LogletId, u64), Bytes>) = filled();
}

/// Flips a bit in many cells.
fn damage_cells(drive: &Drive, written: &BTreeMap<(LogletId, u64), Bytes>) {
    for path in drive.paths().into_iter().filter(|path| path.ends_with(".seg")) {
        drive.damage(&path, |content| {
            // One payload may be found within another one. Then the cell of the other payload is damaged.
            for bytes in written.values().step_by(2) {
                if let Some(at) = content.windows(bytes.len()).position(|found| found == &bytes[..]) {
                    content[at + bytes.len() / 2] ^= 4;
                }
            }
        });
    }
}

async fn repair(unit: &Arc<Unit>, loglet: LogletId, at: u64, cell: &Bytes) -> CellOutcome {
    let purpose = Purpose::Repair;
    store(unit, Store { purpose, ..request(loglet, at, std::slice::from_ref(cell), 0) }).await.unwrap()[0]
}

/// Repairs every damaged cell: each cell that the unit does not report as held. Returns the number of repaired cells.
async fn repair_all(unit: &Arc<Unit>, written: &BTreeMap<(LogletId, u64), Bytes>) -> usize {
    let mut repaired = 0;
    for ((loglet, at), bytes) in written {
        let range = Offset(*at)..Offset(at + 1);
        if !unit.held(*loglet, range.clone()).await.unwrap().is_empty() {
            continue;
        }
        repaired += 1;
        let append = store(unit, request(*loglet, *at, std::slice::from_ref(bytes), 0)).await.unwrap();
        assert_eq!(append, [CellOutcome::Different], "an append replaces nothing");
        assert_eq!(repair(unit, *loglet, *at, bytes).await, CellOutcome::Written);
        assert_eq!(repair(unit, *loglet, *at, bytes).await, CellOutcome::Same);
        assert_eq!(repair(unit, *loglet, *at, &Bytes::from_static(b"other")).await, CellOutcome::Different);
        assert_eq!(unit.held(*loglet, range.clone()).await.unwrap(), [range]);
    }
    repaired
}

#[test]
fn a_damaged_cell_that_a_start_finds_is_repaired_and_stays_so() {
    let (drive, written) = filled();
    damage_cells(&drive, &written);
    let damaged = reopen(&drive, &written, "damaged").unwrap();
    assert!(damaged > 50, "{damaged}");
    simulate(async {
        let server = open(&drive).await.unwrap();
        assert_eq!(repair_all(server.unit(), &written).await, damaged);
        assert_eq!(check(server.unit(), &written, "after the repair").await, 0);
        server.shutdown().await.unwrap();
    });
    assert_eq!(reopen(&drive, &written, "at the next start").unwrap(), 0);
}

#[test]
fn a_damaged_cell_that_a_read_finds_is_repaired_and_its_place_is_freed() {
    let (drive, written) = filled();
    simulate(async {
        let server = open(&drive).await.unwrap();
        let unit = server.unit();
        damage_cells(&drive, &written);
        let damaged = check(unit, &written, "damaged while the unit runs").await;
        assert!(damaged > 50, "{damaged}");
        assert_eq!(repair_all(unit, &written).await, damaged);
        assert_eq!(check(unit, &written, "after the repair").await, 0);
        for loglet in [id(1), id(3)] {
            unit.trim(loglet, Offset(CELLS)).await.unwrap();
        }
        assert_eq!(unit.disk_usage().segments, 1, "a damaged record keeps no segment");
        server.shutdown().await.unwrap();
    });
}
