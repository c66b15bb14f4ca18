//! A replica that starts again from its local store, and replicas that follow.

use std::time::Duration;

use naxos_proto::seams::sim::Drive;
use naxos_proto::splitmix::SplitMix64;

use crate::model::All;
use crate::replica::World;

#[tokio::test]
async fn a_replica_goes_on_after_a_crash_with_all_objects_and_their_history() {
    let (world, drive) = (World::new(), Drive::new(1));
    let mut random = SplitMix64::new(5);
    let mut past = Vec::new();
    for boot in 1..=4 {
        let replica = world.start(1, boot, &drive).await;
        let all = All::open(&replica.objects).await;
        for (version, everything) in past.iter().rev().take(50) {
            assert_eq!(&all.read(Some(*version)).unwrap(), everything, "at {version}, boot {boot}");
        }
        if let Some((_, last)) = past.last() {
            assert_eq!(&all.read(None).unwrap(), last, "boot {boot}");
        }
        for _ in 0..100 {
            if let Some(version) = all.write(&mut random).await {
                past.push((version, all.read(None).unwrap()));
            }
        }
        if boot % 2 == 0 {
            // Wait for a checkpoint, so that the next start reads rows from the file. A start after an odd boot replays
            // entries from the log.
            let at = replica.stack.reader().applied();
            while replica.stack.reader().persisted() < at {
                tokio::time::sleep(Duration::from_millis(20)).await;
                all.counter.add(1).commit().await.unwrap();
                past.push((replica.objects.version(), all.read(None).unwrap()));
            }
        }
        drive.crash();
    }
}

/// Two replicas write, and one of them dies again and again. When it starts, it reads the rows of its last checkpoint
/// from its file, and the later entries from the log.
#[tokio::test]
async fn a_replica_that_dies_again_and_again_ends_with_the_same_rows() {
    let (world, drive) = (World::new(), Drive::new(2));
    let one = world.start(1, 1, &Drive::new(1)).await;
    let all = All::open(&one.objects).await;
    let mut random = SplitMix64::new(21);
    let mut past = Vec::new();
    for boot in 1..=6 {
        let two = world.start(2, boot, &drive).await;
        let there = All::open(&two.objects).await;
        for _ in 0..100 {
            let from = if random.below(3) == 0 { &there } else { &all };
            if let Some(version) = from.write(&mut random).await {
                two.objects.counter("counter").await.unwrap().get().linearizable().await.unwrap();
                past.push((version, there.read(Some(version)).unwrap()));
            }
        }
        if boot % 3 == 0 {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            there.counter.add(1).commit().await.unwrap();
        }
        drive.crash();
    }
    let two = world.start(2, 7, &drive).await;
    all.counter.get().linearizable().await.unwrap();
    let there = All::open(&two.objects).await;
    for (version, everything) in &past {
        assert_eq!(&there.read(Some(*version)).unwrap(), everything, "at {version}");
        assert_eq!(&all.read(Some(*version)).unwrap(), everything, "at {version}");
    }
    let (one, two) = (one.stack.reader(), two.stack.reader());
    assert_eq!((one.applied(), one.checksum()), (two.applied(), two.checksum()));
}

#[tokio::test]
async fn a_replica_that_comes_late_has_the_same_rows() {
    let world = World::new();
    let one = world.start(1, 1, &Drive::new(1)).await;
    let all = All::open(&one.objects).await;
    let mut random = SplitMix64::new(9);
    for _ in 0..300 {
        all.write(&mut random).await;
    }
    let two = world.start(2, 1, &Drive::new(2)).await;
    let same = All::open(&two.objects).await;
    let hits = two.objects.counter("hits").await.unwrap();
    hits.add(1).commit().await.unwrap();
    assert_eq!(one.objects.counter("hits").await.unwrap().get().linearizable().await, Ok(1));
    hits.get().linearizable().await.unwrap();
    assert_eq!(same.read(None).unwrap(), all.read(None).unwrap());
    let (one, two) = (one.stack.reader(), two.stack.reader());
    assert_eq!((one.applied(), one.checksum()), (two.applied(), two.checksum()));
}
