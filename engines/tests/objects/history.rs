//! Reads at earlier versions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use naxos_engines::objects::{Decision, History, ReadError, Version};
use naxos_proto::ids::Lsn;
use naxos_proto::splitmix::SplitMix64;

use crate::model::All;
use crate::replica::World;

#[tokio::test]
async fn every_version_can_be_read_as_it_was() {
    let replica = World::alone(1).await;
    let all = All::open(&replica.objects).await;
    let mut random = SplitMix64::new(11);
    let mut past = Vec::new();
    for _ in 0..600 {
        if let Some(version) = all.write(&mut random).await {
            past.push((version, all.read(None).unwrap()));
        }
    }
    assert!(past.len() > 400);
    for (version, everything) in &past {
        assert_eq!(&all.read(Some(*version)).unwrap(), everything, "at {version}");
    }
    let now = replica.objects.version();
    assert_eq!(all.read(Some(now)), all.read(None));
}

#[tokio::test]
async fn a_version_that_is_too_old_or_not_applied_yet_is_refused_with_the_bound() {
    let replica = World::alone(2).await;
    let map = replica.objects.map("map").await.unwrap();
    replica.objects.keep_history(History { changes_max: 10, bytes_max: 1 << 20 }).await.unwrap();
    let mut versions = Vec::new();
    for n in 0..50 {
        versions.push(map.put("key", n.to_string()).commit().await.unwrap().version);
    }
    let oldest = replica.objects.oldest().unwrap();
    // Each write is an entry of its own. Ten changes are kept, so the state before them can be read too.
    assert_eq!(oldest, versions[39]);
    let told = map.get("key").at(versions[38]).unwrap_err();
    assert_eq!(told, ReadError::Forgotten { asked: versions[38], oldest });
    assert_eq!(
        told.to_string(),
        format!("version {} is too old, history is kept from version {oldest} on", versions[38])
    );
    for (n, version) in versions.iter().enumerate().skip(39) {
        assert_eq!(map.get("key").at(*version).unwrap().unwrap().value, n.to_string());
    }
    let next = replica.stack.reader().applied();
    let asked = Version::end_of(next);
    let told = map.get("key").at(asked).unwrap_err();
    assert_eq!(told, ReadError::NotYet { asked, next });
}

#[tokio::test]
async fn history_is_bounded_in_bytes_too_and_the_last_entry_stays() {
    let replica = World::alone(3).await;
    let register = replica.objects.register("register").await.unwrap();
    replica.objects.keep_history(History { changes_max: 0, bytes_max: 0 }).await.unwrap();
    let first = register.set("1").commit().await.unwrap().version;
    let second = register.set("2").commit().await.unwrap().version;
    assert_eq!(replica.objects.oldest(), Ok(first));
    assert_eq!(register.get().at(second).unwrap().unwrap(), "2");
    assert_eq!(register.get().at(first).unwrap().unwrap(), "1");
    replica.objects.keep_history(History { changes_max: 1_000, bytes_max: 100_000 }).await.unwrap();
    for _ in 0..20 {
        register.set(vec![0; 10_000]).commit().await.unwrap();
    }
    let oldest = replica.objects.oldest().unwrap();
    let kept = replica.objects.version().at.0 - oldest.at.0;
    // A change has the value that was written and the one that was replaced.
    assert!((4..=5).contains(&kept), "{kept} changes of 20 kB are kept in 100 kB");
    assert!(register.get().at(Version::end_of(Lsn(oldest.at.0 - 1))).is_err());
}

/// A reader on another thread, while history is forgotten, gets the state of one version or an error.
#[tokio::test]
async fn readers_see_one_version_while_others_write_and_history_is_forgotten() {
    let replica = World::alone(4).await;
    replica.objects.keep_history(History { changes_max: 4, bytes_max: 1 << 20 }).await.unwrap();
    let index = replica.objects.index("index").await.unwrap();
    let write = async |n: u32| {
        let mut transaction = replica.objects.begin_local();
        for key in 0..8 {
            transaction.write(index.put(format!("{key}"), n.to_string())).unwrap();
        }
        assert!(matches!(transaction.commit().await.unwrap(), Decision::Committed(_)));
    };
    write(0).await;
    let (reader, stop) = (index.clone(), replica.stop.clone());
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let reading = std::thread::spawn(move || {
        while !stop.is_cancelled() {
            let found = match reader.range("", None, 100).local() {
                Ok(found) => found,
                // More was written during each try than history keeps.
                Err(ReadError::Forgotten { .. }) => continue,
                Err(e) => panic!("{e}"),
            };
            assert_eq!(found.len(), 8);
            assert!(found.iter().all(|(_, value)| *value == found[0].1), "{found:?}");
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut writes = 1;
    while !reading.is_finished() && (writes < 1_000 || reads.load(Ordering::Relaxed) < 1_000) {
        write(writes).await;
        writes += 1;
    }
    replica.stop.cancel();
    reading.join().unwrap();
}
