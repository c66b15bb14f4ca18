use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::BoxFuture;
use naxos_log_server::disk::RealDisk;
use naxos_proto::seams::{File, OpenMode};

use super::super::recovered_file::{Recovered, write};
use super::*;

/// A disk that does `left` changes of names, and then fails as if the process had been killed.
struct Dying {
    disk: RealDisk,
    left: AtomicU32,
}

impl Dying {
    fn change(&self) -> io::Result<()> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::Error::other("killed"))
    }
}

impl Disk for Dying {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> BoxFuture<'a, io::Result<Arc<dyn File>>> {
        self.disk.open(path, mode)
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<Vec<String>>> {
        self.disk.list(dir)
    }

    fn create_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.change()?;
            self.disk.create_dir(dir).await
        })
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.change()?;
            self.disk.rename(from, to).await
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.change()?;
            self.disk.remove(path).await
        })
    }

    fn remove_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.change()?;
            self.disk.remove_dir(dir).await
        })
    }

    fn sync_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        self.disk.sync_dir(dir)
    }

    fn lock<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Send + Sync>>> {
        self.disk.lock(path)
    }

    fn free_bytes(&self) -> BoxFuture<'_, io::Result<u64>> {
        self.disk.free_bytes()
    }
}

/// All files below a folder and what is in them.
fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// A directory with a complete recovery. If `in_place`, the directory also has the data from before the recovery.
async fn directory(in_place: bool) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let write_to = |folder: &Path, what: &str, names: &[&str]| {
        fs::create_dir_all(folder.join("journal")).unwrap();
        for name in names {
            fs::write(folder.join(name), what).unwrap();
        }
    };
    fs::write(temp.path().join("lock"), "").unwrap();
    if in_place {
        let names =
            ["format", "founding", "members", "store.redb", "journal/1.seg", "journal/2.seg", "snapshot.fetched"];
        write_to(temp.path(), "old", &names);
    }
    let made = temp.path().join(RECOVERY_DIR);
    write_to(&made, "new", &["format", "founding", "store.redb", "journal/1.seg", "lock"]);
    let recovered = Recovered {
        magic: String::new(),
        version: 0,
        time: String::new(),
        from: Vec::new(),
        old_log: "0f".to_owned(),
        log: "1f".to_owned(),
        begin: 7,
        certain: 5,
        revision_before: 3,
        revision: 9,
        crc32: 0,
    };
    write(&RealDisk::at(temp.path()), &format!("{RECOVERY_DIR}/{FILE}"), &recovered.sealed()).await.unwrap();
    temp
}

#[tokio::test]
async fn a_move_that_is_interrupted_anywhere_is_finished_by_the_next_start() {
    for in_place in [true, false] {
        let whole = directory(in_place).await;
        assert!(finish_swap(&RealDisk::at(whole.path())).await.unwrap());
        let expected = files(whole.path());
        let new = expected.iter().filter(|(name, _)| !name.starts_with(BEFORE));
        let names: Vec<&str> = new.clone().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["format", "founding", "journal/1.seg", "lock", "recovered", "store.redb"]);
        assert!(new.filter(|(name, _)| !["lock", "recovered"].contains(&name.as_str())).all(|(_, what)| what == "new"));
        let old =
            expected.iter().filter(|(name, what)| name.starts_with("before-recovery-0f/") && *what == "old").count();
        assert_eq!(old, if in_place { 7 } else { 0 }, "what was there before is kept");
        assert!(!whole.path().join(RECOVERY_DIR).exists());

        let mut interrupted = 0;
        for changes in 0.. {
            let temp = directory(in_place).await;
            let dying = Dying { disk: RealDisk::at(temp.path()), left: AtomicU32::new(changes) };
            if finish_swap(&dying).await.is_ok() {
                break;
            }
            interrupted += 1;
            assert!(finish_swap(&RealDisk::at(temp.path())).await.unwrap(), "after {changes} changes");
            assert_eq!(files(temp.path()), expected, "after {changes} changes");
            assert!(!finish_swap(&RealDisk::at(temp.path())).await.unwrap(), "there is nothing left to do");
        }
        assert!(interrupted > 6, "only {interrupted} places to be interrupted at");
    }
}

#[tokio::test]
async fn a_recovery_that_was_not_complete_leaves_the_earlier_data() {
    let temp = directory(true).await;
    fs::remove_file(temp.path().join(RECOVERY_DIR).join(FILE)).unwrap();
    assert!(!finish_swap(&RealDisk::at(temp.path())).await.unwrap());
    let found = files(temp.path());
    assert!(found.iter().all(|(name, what)| name == "lock" || what == "old") && found.len() == 8, "{found:?}");
    assert!(!temp.path().join(RECOVERY_DIR).exists());

    let temp = directory(false).await;
    fs::remove_file(temp.path().join(RECOVERY_DIR).join(FILE)).unwrap();
    assert!(!finish_swap(&RealDisk::at(temp.path())).await.unwrap());
    check_target(&RealDisk::at(temp.path()), "new").await.unwrap();
    fs::write(temp.path().join("photo"), "").unwrap();
    let refused = check_target(&RealDisk::at(temp.path()), "new").await.unwrap_err().to_string();
    assert!(refused.contains("--to new: it is not empty (it has \"photo\")"), "{refused}");
}
