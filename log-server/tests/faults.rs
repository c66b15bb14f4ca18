//! A full disk, failing calls, two processes on one directory, and directories of other programs.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_log_server::{LogServer, LogServerConfig, OpenError};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{CellOutcome, CellState, StorageUnit, Stored, UnitError};
use naxos_proto::ids::{Boot, Offset};
use naxos_proto::seams::OpenMode;
use naxos_proto::seams::sim::{Drive, Fault};
use parking_lot::Mutex;
use support::{id, open, params, payload, real_seams, request, sim_seams, simulate, small, store};
use tokio_util::sync::CancellationToken;

#[test]
fn a_full_disk_refuses_stores_and_trimming_makes_room() {
    let drive = Drive::new(1);
    drive.set_capacity(Some(6 * (64 << 10)));
    simulate(async {
        let seams = sim_seams(&drive, 1);
        let config = LogServerConfig { reserve_bytes: 64 << 10, ..small() };
        let server = LogServer::open(seams.clone(), config, CancellationToken::new()).await.unwrap();
        let unit = server.unit();
        unit.open(id(1), params()).await.unwrap();
        for round in 0..5 {
            let mut at = unit.tail(id(1)).await.unwrap().tail.0;
            let refused = loop {
                match store(unit, request(id(1), at, &[payload(at, 5_000)], at)).await {
                    Ok(outcomes) => assert_eq!(outcomes, [CellOutcome::Written]),
                    Err(refused) => break refused,
                }
                at += 1;
                assert!(at < 1_000, "the disk never fills");
            };
            assert!(matches!(refused, UnitError::DiskFull { .. }), "{refused}");
            assert!(refused.to_string().contains("trim the log or enlarge the disk"));
            let UnitError::DiskFull { needed, .. } = refused else { unreachable!("matched above") };
            assert_eq!(unit.wanted_free_bytes(), needed, "a caller that asks without a store is told the same");
            assert_eq!(unit.tail(id(1)).await.unwrap().tail, Offset(at), "nothing of a refused store is there");
            let read = unit.read(id(1), Offset(at - 1)..Offset(at), usize::MAX).await.unwrap();
            assert_eq!(read, [CellState::Present(payload(at - 1, 5_000))]);
            // Metadata is still accepted, for a long time.
            for n in 0..100 {
                unit.open(id(100 + 1_000 * round + n), params()).await.unwrap();
                unit.drop_loglet(id(100 + 1_000 * round + n)).await.unwrap();
            }
            unit.raise_floor(id(1).log, 1).await.unwrap();
            unit.trim(id(1), Offset(at)).await.unwrap();
            seams.clock.sleep(Duration::from_secs(3)).await;
            let again = store(unit, request(id(1), at, &[payload(at, 5_000)], at)).await;
            assert_eq!(again, Ok(vec![CellOutcome::Written]), "trimming made room, round {round}");
            assert_eq!(unit.wanted_free_bytes(), 0);
        }
        server.shutdown().await.unwrap();
    });
}

#[test]
fn metadata_without_room_for_a_segment_is_refused_and_the_committer_does_not_spin() {
    const STEPS: u32 = 100_000;
    let drive = Drive::new(1);
    simulate(async {
        let server = open(&drive).await.unwrap();
        let unit = server.unit();
        unit.open(id(1), params()).await.unwrap();
        unit.open(id(2), params()).await.unwrap();
        store(unit, request(id(2), 0, &[payload(0, 10)], 0)).await.unwrap();
        // The first segment stays live, one spare is ready, and no further segment can be made.
        sim_seams(&drive, 1).clock.sleep(Duration::from_secs(3)).await;
        drive.set_capacity(Some(drive.used()));
        let spin = || async {
            for _ in 0..STEPS {
                tokio::task::yield_now().await;
            }
        };
        let mut at = 1;
        let refused = loop {
            assert!(at < 10_000, "the disk never fills");
            let trimmed = tokio::select! {
                biased;
                trimmed = unit.trim(id(1), Offset(at)) => trimmed,
                () = spin() => panic!("the committer spins"),
            };
            match trimmed {
                Ok(()) => at += 1,
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused, UnitError::DiskFull { .. }), "{refused}");
        server.shutdown().await.unwrap();
    });
}

#[test]
fn the_journal_does_not_grow_with_age() {
    let drive = Drive::new(1);
    simulate(async {
        let server = open(&drive).await.unwrap();
        let unit = server.unit();
        unit.open(id(1), params()).await.unwrap();
        let mut most = 0;
        for at in 0..2_000 {
            store(unit, request(id(1), at, &[payload(at, 2_000)], at)).await.unwrap();
            if at % 20 == 0 {
                unit.trim(id(1), Offset(at.saturating_sub(30))).await.unwrap();
            }
            most = most.max(drive.paths().len()).max(unit.disk_usage().segments as usize);
        }
        // 2,000 batches of 4 KiB would fill 125 segments.
        assert!(most <= 10, "{most} files");
        server.shutdown().await.unwrap();
    });
}

fn poisoned_by(fault: Fault, text: &str) {
    let drive = Drive::new(1);
    simulate(async {
        let server = open(&drive).await.unwrap();
        let unit = server.unit();
        unit.open(id(1), params()).await.unwrap();
        store(unit, request(id(1), 0, &[payload(0, 10)], 0)).await.unwrap();
        drive.set_fault(fault);
        let syncs = drive.syncs();
        let answers = Arc::new(Mutex::new(Vec::new()));
        for at in 1..4 {
            let answers = answers.clone();
            let note = move |outcome: Result<Stored, UnitError>| answers.lock().push(outcome);
            unit.store(request(id(1), at, &[payload(at, 10)], at), Completion::new(note));
        }
        let sealed = unit.seal(id(1)).await;
        assert!(matches!(&sealed, Err(UnitError::Poisoned(t)) if t.contains(text)), "{sealed:?}");
        assert!(answers.lock().iter().all(|a| matches!(a, Err(UnitError::Poisoned(_)))));
        assert_eq!(answers.lock().len(), 3);
        assert!(drive.syncs() <= syncs + 1, "a failed sync is never repeated");
        // The unit stays read-only even when the disk works again.
        drive.clear_faults();
        for _ in 0..3 {
            let refused = store(unit, request(id(1), 1, &[payload(1, 10)], 1)).await;
            assert!(matches!(refused, Err(UnitError::Poisoned(_))), "{refused:?}");
        }
        assert!(matches!(unit.trim(id(1), Offset(1)).await, Err(UnitError::Poisoned(_))));
        assert!(unit.poisoned().is_some_and(|t| t.contains(text)));
        // Reads are still served. They see only what is durable.
        assert_eq!(unit.tail(id(1)).await.unwrap().tail, Offset(1));
        let read = unit.read(id(1), Offset(0)..Offset(2), usize::MAX).await.unwrap();
        assert_eq!(read, [CellState::Present(payload(0, 10)), CellState::Absent]);
        server.shutdown().await.unwrap();
        let server = open(&drive).await.unwrap();
        assert!(server.unit().tail(id(1)).await.unwrap().tail >= Offset(1));
        assert_eq!(server.unit().poisoned(), None);
        server.shutdown().await.unwrap();
    });
}

#[test]
fn a_failed_sync_makes_the_unit_read_only_for_good() {
    poisoned_by(Fault::Sync { path: "0001.seg".to_owned(), from: 1 }, "syncing");
}

#[test]
fn a_failed_write_makes_the_unit_read_only_for_good() {
    poisoned_by(Fault::Write { path: "0001.seg".to_owned(), from: 1 }, "writing");
}

#[test]
fn a_failed_read_is_an_error_only_of_that_one_read() {
    let drive = Drive::new(1);
    simulate(async {
        let config = LogServerConfig { cache_bytes_max: 0, ..small() };
        let server = LogServer::open(sim_seams(&drive, 1), config, CancellationToken::new()).await.unwrap();
        let unit = server.unit();
        unit.open(id(1), params()).await.unwrap();
        store(unit, request(id(1), 0, &[payload(0, 10)], 0)).await.unwrap();
        drive.set_fault(Fault::Read { path: ".seg".to_owned(), from: 1 });
        let read = unit.read(id(1), Offset(0)..Offset(1), 1).await;
        assert!(matches!(read, Err(UnitError::Read(_))), "{read:?}");
        drive.clear_faults();
        assert!(unit.read(id(1), Offset(0)..Offset(1), 1).await.is_ok());
        server.shutdown().await.unwrap();
    });
}

#[test]
fn rule_12_a_full_queue_answers_overloaded() {
    let drive = Drive::new(1);
    simulate(async {
        let config = LogServerConfig { queue_commands_max: 10, queue_bytes_max: 4_000, ..small() };
        let server = LogServer::open(sim_seams(&drive, 1), config, CancellationToken::new()).await.unwrap();
        let unit = server.unit();
        unit.open(id(1), params()).await.unwrap();
        for (len, taken) in [(10, 10), (1_000, 3)] {
            let first = unit.tail(id(1)).await.unwrap().tail.0;
            let outcomes: Vec<_> = (first..first + 20)
                .map(|at| {
                    let (done, outcome) = Completion::channel();
                    unit.store(request(id(1), at, &[payload(at, len)], at), done);
                    outcome
                })
                .collect();
            assert_eq!(unit.queued(), taken, "commands of {len} bytes");
            let outcomes = futures::future::join_all(outcomes).await;
            let written = outcomes.iter().filter(|o| o.is_ok()).count() as u64;
            assert_eq!(written, taken);
            assert!(outcomes[written as usize..].iter().all(|o| *o == Err(UnitError::Overloaded)));
        }
        assert_eq!(unit.queued(), 0);
        server.shutdown().await.unwrap();
    });
}

#[test]
fn rule_13_a_second_process_is_refused_and_each_start_raises_the_boot_count() {
    let drive = Drive::new(1);
    simulate(async {
        for boot in 1..=5 {
            let server = open(&drive).await.unwrap();
            assert_eq!(server.boot(), Boot(boot));
            let second = open(&drive).await.err().unwrap();
            assert!(matches!(second, OpenError::Locked { .. }), "{second}");
            server.shutdown().await.unwrap();
        }
    });
}

#[tokio::test]
async fn a_second_process_on_a_real_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = || LogServer::open(real_seams(dir.path()), small(), CancellationToken::new());
    let server = open().await.unwrap();
    let second = open().await.err().unwrap();
    assert!(second.to_string().contains("in use by another process"), "{second}");
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    let third = open().await.err().expect("the directory is locked, whatever becomes of the file");
    assert!(third.to_string().contains("in use by another process"), "{third}");
    server.shutdown().await.unwrap();
    open().await.unwrap().shutdown().await.unwrap();
}

#[test]
fn directories_of_others_are_refused_untouched() {
    for (path, expected) in [
        ("member/snap/db", "belongs to etcd"),
        ("photos/cat.jpg", "found \"photos\""),
        ("notes.txt", "found \"notes.txt\""),
        ("journal/0000000000000001.seg", "found \"journal\""),
    ] {
        let drive = Drive::new(1);
        simulate(async {
            let disk = drive.mount();
            disk.create_dir(path.rsplit_once('/').map_or("", |(dir, _)| dir)).await.unwrap();
            let file = disk.open(path, OpenMode::CreateNew).await.unwrap();
            file.write_at(0, &[Bytes::from_static(b"precious")]).await.unwrap();
            let refused = open(&drive).await.err().unwrap().to_string();
            assert!(refused.contains(expected) && refused.contains("expected"), "{refused}");
        });
        assert_eq!(drive.paths(), [path], "untouched");
        assert_eq!(drive.content(path).unwrap(), b"precious");
    }
}

#[test]
fn a_directory_of_a_newer_release_is_refused_untouched() {
    let drive = Drive::new(1);
    simulate(async { open(&drive).await.unwrap().shutdown().await.unwrap() });
    let before: Vec<_> = drive.paths().iter().map(|p| drive.content(p)).collect();
    let newer =
        String::from_utf8(drive.content("format").unwrap()).unwrap().replace("\"version\": 2", "\"version\": 7");
    drive.damage("format", |content| *content = newer.into_bytes());
    let refused = simulate(async { open(&drive).await.err().unwrap().to_string() });
    assert!(refused.contains("version 7") && refused.contains("reads version 2"), "{refused}");
    let after: Vec<_> = drive.paths().iter().map(|p| drive.content(p)).collect();
    assert_eq!(before[1..], after[1..], "untouched but for the damaged version");
}

#[test]
fn bad_configurations_name_the_field() {
    for segment_bytes in [0, 4_096, (64 << 10) + 1, 2 << 30] {
        let drive = Drive::new(1);
        let config = LogServerConfig { segment_bytes, ..small() };
        let open = LogServer::open(sim_seams(&drive, 1), config, CancellationToken::new());
        let refused = simulate(open).err().unwrap().to_string();
        assert!(refused.contains("segment_bytes") && refused.contains("64 KiB"), "{refused}");
        assert!(drive.paths().is_empty());
    }
}
