use std::collections::BTreeSet;

use naxos_proto::ids::{Boot, LogId};
use naxos_proto::seams::sim::{Drive, Fault};
use naxos_proto::seams::{File, OpenMode};

use super::*;
use crate::journal::spare::{Spare, prepare_segment};
use crate::journal::{Journal, change_draft, create_first_segment};
use crate::unit::Change;

const STORAGE: StorageId = StorageId(7);
const SEGMENT_BYTES: u64 = 64 << 10;

/// One life of a process with a journal. Each batch raises the boot count, so the count tells which batches were found.
struct Life {
    disk: Arc<dyn Disk>,
    journal: Journal,
    catalog: Catalog,
    spare: Option<Spare>,
}

impl Life {
    async fn recover(drive: &Drive) -> Result<Life, OpenError> {
        let disk = drive.mount();
        let files = Arc::new(SegmentFiles::new(disk.clone(), STORAGE));
        let Recovered { catalog, current, sequence, unsettled, .. } = recover(&disk, STORAGE, &files).await?;
        let spare = unsettled.settle(disk.as_ref()).await?;
        Ok(Life { disk, journal: Journal::new(STORAGE, files, current, sequence), catalog, spare })
    }

    /// Writes a batch that spans several sectors, without a sync.
    async fn write(&mut self, begins_segment: bool) {
        self.write_with(begins_segment, 3_000).await;
    }

    async fn write_with(&mut self, begins_segment: bool, cell_bytes: usize) {
        let change = Change::Boot(Boot(self.catalog.boot.0 + 1));
        let mut drafts = Vec::new();
        if begins_segment {
            drafts.push(Journal::preamble(&self.catalog));
        }
        drafts.extend([change_draft(&change), Draft::new(Kind::Cell, vec![1; cell_bytes].into())]);
        self.catalog.apply(&change);
        self.journal.write(&drafts).await.unwrap();
    }

    async fn write_and_sync(&mut self) {
        self.write(false).await;
        self.journal.sync().await.unwrap();
    }

    /// Goes on in `spare`, whose first batch it writes and syncs.
    async fn begin_in(&mut self, spare: Spare) {
        self.journal.roll(spare);
        self.write(true).await;
        self.journal.sync().await.unwrap();
    }

    async fn make_spare(&self, number: u32) -> Spare {
        let number = SegmentNumber(number);
        prepare_segment(self.disk.as_ref(), None, number, SEGMENT_BYTES, SEGMENT_BYTES, async || true).await.unwrap()
    }
}

async fn new_journal(drive: &Drive) -> Life {
    let disk = drive.mount();
    disk.create_dir(JOURNAL_DIR).await.unwrap();
    create_first_segment(&disk, STORAGE, SEGMENT_BYTES).await.unwrap();
    disk.sync_dir("").await.unwrap();
    Life::recover(drive).await.unwrap()
}

/// The first write of segment 2 is torn, so the journal goes on in segment 1. Later it goes on in a spare. That spare
/// may be segment 3, which was ready before the power was cut. Then the torn segment 2 must not be left between the
/// segments 1 and 3.
#[tokio::test]
async fn a_segment_whose_first_write_was_torn_does_not_stay_below_the_next_one() {
    let mut torn = BTreeSet::new();
    for seed in 0..200 {
        let drive = Drive::new(seed);
        let mut life = new_journal(&drive).await;
        life.write_and_sync().await;
        let spare = life.make_spare(2).await;
        life.journal.roll(spare);
        let is_lost_as_a_whole = seed % 4 == 0;
        if !is_lost_as_a_whole {
            life.write(true).await;
        }
        life.make_spare(3).await;
        drive.crash();

        let mut life = Life::recover(&drive).await.unwrap_or_else(|e| panic!("seed {seed}, after the crash: {e}"));
        if life.journal.segment() == SegmentNumber::FIRST {
            assert_eq!(life.catalog.boot, Boot(1), "seed {seed}");
            torn.insert(life.spare.as_ref().map(|s| s.number.0));
        }
        life.write_and_sync().await;
        let spare = life.spare.take().unwrap();
        life.begin_in(spare).await;
        let boot = life.catalog.boot;
        drive.crash();

        let life = Life::recover(&drive).await.unwrap_or_else(|e| panic!("seed {seed}, after the roll: {e}"));
        assert_eq!(life.catalog.boot, boot, "seed {seed}");
    }
    assert_eq!(
        torn,
        BTreeSet::from([Some(2), Some(3)]),
        "the spare must be segment 2 in some rounds (its first write was lost), and segment 3 in others (the first \
         write of segment 2 was torn)"
    );
}

/// As above, but segment 2 was whole, and its header or the header of its first batch was damaged later. The start must
/// be refused, because batches are missing.
#[tokio::test]
async fn a_segment_between_two_others_that_lost_its_first_batch_is_refused() {
    for hit in [20, BLOCK_BYTES as usize + 20] {
        let drive = Drive::new(1);
        let mut life = new_journal(&drive).await;
        for number in 2..=3 {
            let spare = life.make_spare(number).await;
            life.begin_in(spare).await;
        }
        drive.damage(&segment_path(SegmentNumber(2)), |content| content[hit] ^= 1);
        let refused = Life::recover(&drive).await.err();
        assert!(matches!(refused, Some(OpenError::Damaged { .. })), "byte {hit}: {refused:?}");
        drive.crash();
        assert_eq!(drive.paths().iter().filter(|p| p.ends_with(".seg")).count(), 3, "a refusal touches nothing");
    }
}

/// A process ends between the rename of a new spare and the sync of its directory. If the next process did not sync the
/// directory either, a power cut could take the name away, together with everything that was written to that file.
#[tokio::test]
async fn a_spare_whose_name_was_not_synced_is_durable_before_it_is_used() {
    for seed in 0..20 {
        let drive = Drive::new(seed);
        let life = new_journal(&drive).await;
        let unnamed = life.disk.open("journal/spare.tmp", OpenMode::Create).await.unwrap();
        zero_all(&unnamed).await;
        life.disk.rename("journal/spare.tmp", &segment_path(SegmentNumber(2))).await.unwrap();

        let mut life = Life::recover(&drive).await.unwrap();
        let spare = life.spare.take().unwrap();
        life.begin_in(spare).await;
        drive.crash();
        assert_eq!(Life::recover(&drive).await.unwrap().catalog.boot, Boot(1), "seed {seed}");
    }
}

/// One of these tears begins at the last byte of a record, and only one bit of that byte is one. So the record looks as
/// if one of its bits were wrong. But the next record in the same sector is gone, too, and that shows the tear.
#[tokio::test]
async fn a_batch_that_was_torn_at_any_byte_of_its_first_sector_is_cut_off() {
    for kept in 0..512 {
        let drive = Drive::new(1);
        let mut life = new_journal(&drive).await;
        life.write_and_sync().await;
        let path = segment_path(SegmentNumber::FIRST);
        let at = drive.content(&path).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
        let at = (at + 1).next_multiple_of(BLOCK_BYTES as usize);
        let loglet = LogletId { log: LogId(u64::MAX), ordinal: 1, nonce: u64::MAX };
        let cell = |at, body: Vec<u8>| Draft { loglet, offset: Offset(at), ..Draft::new(Kind::Cell, body.into()) };
        let drafts = [change_draft(&Change::Boot(Boot(2))), cell(4, vec![1; 60]), cell(5, vec![3; 3_000])];
        life.journal.write(&drafts).await.unwrap();
        life.journal.sync().await.unwrap();
        drive.damage(&path, |content| content[at + kept..at + 512].fill(0));

        let life = Life::recover(&drive).await.unwrap_or_else(|e| panic!("{kept} bytes are left: {e}"));
        assert_eq!(life.catalog.boot, Boot(1), "{kept} bytes are left");
    }
}

/// A start writes zeros over a torn batch, but their sync fails. Then the zeros exist in the page cache only, and the
/// next process sees nothing to cut off.
#[tokio::test]
async fn what_is_left_of_a_torn_batch_does_not_come_back_when_the_sync_of_its_cut_failed() {
    let mut torn = 0;
    for seed in 0..50 {
        let drive = Drive::new(seed);
        let mut life = new_journal(&drive).await;
        life.write_and_sync().await;
        life.write_with(false, 20_000).await;
        drive.crash();
        let content = drive.content(&segment_path(SegmentNumber::FIRST)).unwrap();
        drive.set_fault(Fault::Sync { path: ".seg".to_owned(), from: 1 });
        let failed = Life::recover(&drive).await.err();
        assert!(matches!(failed, Some(OpenError::Io { .. })), "seed {seed}: {failed:?}");
        torn += usize::from(drive.content(&segment_path(SegmentNumber::FIRST)).unwrap() != content);
        drive.clear_faults();

        let mut life = Life::recover(&drive).await.unwrap();
        life.write_and_sync().await;
        let spare = life.make_spare(2).await;
        life.begin_in(spare).await;
        let boot = life.catalog.boot;
        drive.crash();
        let life = Life::recover(&drive).await.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(life.catalog.boot, boot, "seed {seed}");
        assert!(!drive.paths().iter().any(|p| p.ends_with("cut")), "seed {seed}: {:?}", drive.paths());
    }
    assert!(torn > 25, "{torn} batches were torn");
}

/// A freed segment is zeroed only after its old name is durably gone, even if another process does the zeroing.
#[tokio::test]
async fn a_freed_segment_whose_new_name_was_not_synced_is_not_zeroed_under_its_old_one() {
    for seed in 0..20 {
        let drive = Drive::new(seed);
        let mut life = new_journal(&drive).await;
        let spare = life.make_spare(2).await;
        life.begin_in(spare).await;
        life.disk.rename(&segment_path(SegmentNumber::FIRST), "journal/spare.tmp").await.unwrap();

        let life = Life::recover(&drive).await.unwrap();
        let half = life.disk.open("journal/spare.tmp", OpenMode::Create).await.unwrap();
        zero_all(&half).await;
        drive.crash();
        Life::recover(&drive).await.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}

async fn zero_all(file: &Arc<dyn File>) {
    crate::journal::spare::zero_range(file, 0..SEGMENT_BYTES).await.unwrap();
}
