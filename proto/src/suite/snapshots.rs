//! The conformance tests of [`Snapshots`].

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::contracts::{Manifest, SnapshotError, Snapshots};
use crate::ids::{Lsn, StorageId};
use crate::seams::Clock;

/// How long a snapshot may take to be made.
const MADE_WITHIN: Duration = Duration::from_secs(30);
/// The time between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Asks until there is a snapshot at or after `at_least`.
async fn offered(snapshots: &dyn Snapshots, clock: &dyn Clock, to: StorageId, at_least: Lsn) -> Manifest {
    let began = clock.now();
    loop {
        match snapshots.offer(to, at_least).await {
            Ok(manifest) => return manifest,
            Err(SnapshotError::NotYet | SnapshotError::Busy) => clock.sleep(ASK_AGAIN).await,
            Err(error) => panic!("no snapshot is offered: {error}"),
        }
        assert!(clock.now().since(began) < MADE_WITHIN, "a snapshot is made within {MADE_WITHIN:?}");
    }
}

/// Runs all cases on a node whose state is at or after `at_least`. `crc` is the crc32 of bytes. Returns the snapshot that
/// was read, so that the caller can look at what it holds.
pub async fn snapshots(
    snapshots: &dyn Snapshots,
    clock: &dyn Clock,
    at_least: Lsn,
    crc: impl Fn(&[u8]) -> u32,
) -> (Manifest, Bytes) {
    let (one, two) = (StorageId(0xA1), StorageId(0xA2));
    let manifest = offered(snapshots, clock, one, at_least).await;
    assert!(manifest.cursor >= at_least, "the snapshot reaches the position that was asked for: {manifest:?}");
    assert!(manifest.bytes > 0, "a snapshot has a format, so it is not empty");
    assert_eq!(offered(snapshots, clock, one, at_least).await, manifest, "the same snapshot is offered again");
    assert_eq!(offered(snapshots, clock, two, at_least).await, manifest, "and to another node too");

    let read = |at: u64, len: u32| snapshots.read(manifest.id, at, len);
    let mut whole = BytesMut::new();
    while (whole.len() as u64) < manifest.bytes {
        let piece = read(whole.len() as u64, 100_000).await.expect("a piece is read");
        assert!(
            !piece.is_empty() && piece.len() <= 100_000,
            "a piece has at least one byte, and at most those asked for"
        );
        whole.extend_from_slice(&piece);
    }
    assert_eq!(whole.len() as u64, manifest.bytes, "the snapshot ends where the manifest says");
    assert_eq!(crc(&whole), manifest.crc, "the bytes are those of the manifest");
    let again = read(7, 1).await.expect("a piece in the middle is read");
    assert_eq!(again[..], whole[7..8], "the bytes at one place never change");
    assert_eq!(read(manifest.bytes, 10).await, Ok(Bytes::new()), "nothing lies after the end");
    assert_eq!(read(u64::MAX, 10).await, Ok(Bytes::new()), "nothing lies far after the end");

    let other = manifest.id ^ 1;
    assert_eq!(snapshots.read(other, 0, 10).await, Err(SnapshotError::Unknown(other)), "another id is unknown");
    let beyond = snapshots.offer(one, Lsn(u64::MAX)).await;
    assert!(matches!(beyond, Err(SnapshotError::Refused(_))), "a position that this node has not reached: {beyond:?}");
    (manifest, whole.freeze())
}
