use naxos_proto::ids::StorageId;
use naxos_proto::seams::sim::{Drive, Latency, SimClock};

use super::*;

const SEGMENT_BYTES: u64 = 64 << 10;

/// A spare is put back, because the disk is full, while the next one is being made or after it was made. Both must be
/// kept, and the lower one must be taken first: the next start refuses a journal with a file of zeros below a segment
/// in use.
#[tokio::test(start_paused = true)]
async fn a_spare_that_is_put_back_is_taken_before_the_one_made_meanwhile() {
    for is_put_back_early in [false, true] {
        let drive = Drive::new(1);
        drive.set_latency(Latency { sync: Duration::from_millis(5), ..Latency::default() });
        let disk = drive.mount();
        disk.create_dir(JOURNAL_DIR).await.unwrap();
        let files = SegmentFiles::new(disk.clone(), StorageId(1));
        let (clock, stop) = (SimClock::new(Duration::ZERO), CancellationToken::new());
        let spares = Spares::new(SEGMENT_BYTES, 0, None, SegmentNumber(2));
        let step = async || spares.step(disk.as_ref(), &files, &clock, &stop).await.unwrap();
        assert!(step().await);
        let first = spares.take(For::Stores).await.unwrap();
        assert_eq!(first.number, SegmentNumber(2));
        if is_put_back_early {
            let (made, ()) = tokio::join!(step(), async { spares.put_back(first) });
            assert!(made);
        } else {
            assert!(step().await);
            spares.put_back(first);
        }
        for number in [2, 3] {
            assert_eq!(spares.take(For::Stores).await.unwrap().number, SegmentNumber(number), "{is_put_back_early}");
        }
    }
}
