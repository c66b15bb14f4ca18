//! The file `starts` on a simulated disk.

use futures::future::BoxFuture;
use naxos_proto::contracts::{Beat, Heartbeat, HeartbeatError};
use naxos_proto::seams::sim::Drive;

use super::*;

const OWN: StorageId = StorageId(1);
const OTHER: StorageId = StorageId(7);

fn mark(boot: u64, nonce: u64) -> StartMark {
    StartMark { boot: Boot(boot), nonce }
}

struct Silent;

impl Heartbeat for Silent {
    fn beat(&self, _: Beat) -> BoxFuture<'_, Result<Beat, HeartbeatError>> {
        Box::pin(std::future::pending())
    }
}

/// The nodes that have a seat.
fn nodes(storages: &[StorageId]) -> watch::Receiver<Vec<Node>> {
    let node = |storage: &StorageId| Node { storage: *storage, heartbeat: Arc::new(Silent) };
    watch::Sender::new(storages.iter().map(node).collect()).subscribe()
}

async fn read(drive: &Drive) -> Starts {
    Starts::read(drive.mount(), OWN, &BTreeSet::from([OTHER])).await.unwrap()
}

#[tokio::test]
async fn a_start_counts_as_noted_when_it_is_durable() {
    let drive = Drive::new(1);
    let starts = read(&drive).await;
    assert!(starts.note(OTHER, mark(3, 1)) && starts.note(OTHER, mark(3, 1)));
    assert_eq!(starts.noted(), [], "nothing was written yet");
    starts.write().await.unwrap();
    assert_eq!(starts.noted(), [(OTHER, mark(3, 1))]);
    drive.crash();
    assert_eq!(read(&drive).await.noted(), [(OTHER, mark(3, 1))]);
}

#[tokio::test]
async fn an_earlier_start_and_another_one_with_the_same_count_are_not_noted() {
    let starts = read(&Drive::new(1)).await;
    assert!(starts.note(OTHER, mark(3, 1)));
    assert!(!starts.note(OTHER, mark(2, 9)) && !starts.note(OTHER, mark(3, 9)));
    assert!(starts.note(OTHER, mark(4, 9)));
}

#[tokio::test]
async fn a_nodes_own_start_is_written_when_it_is_wanted() {
    let drive = Drive::new(1);
    let starts = read(&drive).await;
    starts.begin(mark(1, 5), nodes(&[OTHER]));
    starts.note(OTHER, mark(3, 1));
    starts.write().await.unwrap();
    assert!(!starts.own_is_durable(), "this call is the first that wants it written");
    starts.write().await.unwrap();
    assert!(starts.own_is_durable());
    drive.crash();
    let again = read(&drive).await;
    again.begin(mark(2, 6), nodes(&[OTHER]));
    assert!(again.history().knows(mark(1, 5)) && !again.history().knows(mark(2, 6)));
    assert!(!again.own_is_durable());
    again.write().await.unwrap();
    assert!(read(&drive).await.history().knows(mark(2, 6)));
}

#[tokio::test]
async fn data_directories_without_a_seat_are_forgotten() {
    let drive = Drive::new(1);
    let starts = read(&drive).await;
    assert!(starts.note(OTHER, mark(3, 1)) && starts.note(StorageId(8), mark(3, 1)));
    starts.write().await.unwrap();
    assert_eq!(read(&drive).await.noted(), [(OTHER, mark(3, 1))]);
}

#[tokio::test]
async fn a_start_of_a_data_directory_without_a_seat_is_not_noted() {
    let starts = read(&Drive::new(1)).await;
    starts.begin(mark(1, 5), nodes(&[OTHER]));
    assert!(!starts.note(StorageId(8), mark(1, 1)) && starts.note(OTHER, mark(1, 1)));
    assert!(starts.is_latest(OTHER, mark(1, 1)) && !starts.is_latest(OTHER, mark(1, 2)));
}

#[test]
fn a_damaged_or_newer_file_says_what_was_expected() {
    let marks = vec![(OWN, mark(2, 1)), (OTHER, mark(3, 1))];
    let good = encode(marks.iter().copied());
    assert_eq!(decode(&good), Ok(marks));
    for (at, words) in [(0, "NAXOSSTA"), (8, "this build reads version 1"), (12, "checksum"), (17, "checksum")] {
        let mut bad = good.to_vec();
        bad[at] ^= 0x10;
        let refused = decode(&bad.into()).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
    assert!(decode(&good.slice(..9)).is_err());
}
