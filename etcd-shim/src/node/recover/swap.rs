//! Moves a directory that was made in the folder `recovery` to its place. Every step can be repeated, so a crash in between
//! does no harm: the next start goes on.

use std::io::{self, ErrorKind};

use naxos_log_server::{RECOVERY_DIR, lock_directory};
use naxos_proto::seams::Disk;

use super::RecoverError;
use super::recovered_file::{self, FILE};

/// What a recovery makes, in the order in which it is moved. The file `recovered` comes last: as long as it is in the folder,
/// the move is not finished.
const MADE: [&str; 5] = ["journal", "store.redb", "founding", "format", FILE];
/// What stays where it is.
const STAYS: [&str; 3] = ["lock", "lost+found", RECOVERY_DIR];
/// The folder for the earlier content of the directory has a name that begins with this. The id of the old log follows.
const BEFORE: &str = "before-recovery-";

fn io_at(path: &str) -> impl Fn(io::Error) -> RecoverError {
    let path = path.to_owned();
    move |error| RecoverError::Io(path.clone(), error)
}

/// Checks that a new directory can be made in the root of `disk`: the root is missing, or has nothing but the names in
/// `STAYS`, which an earlier recovery or restore may have left. Makes nothing.
pub(crate) async fn check_target(disk: &dyn Disk, name: &str) -> Result<(), RecoverError> {
    match disk.list("").await {
        Ok(names) => match names.into_iter().find(|found| !STAYS.contains(&found.as_str())) {
            Some(found) => Err(RecoverError::NotEmpty(name.to_owned(), found)),
            None => Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_at(name)(error)),
    }
}

/// Goes on where a recovery or a restore was interrupted: moves a finished directory to its place, and removes an
/// unfinished one from a directory that has data. Returns whether it finished a move.
/// # Cancel safety
/// It may be dropped and called again.
pub(crate) async fn finish_swap(disk: &dyn Disk) -> Result<bool, RecoverError> {
    // If the directory cannot be listed, it is missing, or the caller's next step refuses it with an error of its own.
    let Ok(names) = disk.list("").await else { return Ok(false) };
    let has = |name: &str| names.iter().any(|found| found == name);
    if !has(RECOVERY_DIR) {
        return Ok(false);
    }
    let _lock = lock_directory(disk).await?;
    let made = disk.list(RECOVERY_DIR).await.map_err(io_at(RECOVERY_DIR))?;
    if made.iter().any(|found| found == FILE) || has(FILE) {
        tracing::warn!("a recovery or a restore was interrupted while it moved its directory to its place: going on");
        swap(disk).await?;
        Ok(true)
    } else if has("format") {
        tracing::warn!("a recovery was interrupted before it was complete: going on with the data from before it");
        clear(disk).await?;
        disk.remove_dir(RECOVERY_DIR).await.map_err(io_at(RECOVERY_DIR))?;
        Ok(false)
    } else {
        Ok(false)
    }
}

/// Moves the finished directory to its place. The caller has the lock.
pub(in crate::node) async fn swap(disk: &dyn Disk) -> Result<(), RecoverError> {
    let made = disk.list(RECOVERY_DIR).await.map_err(io_at(RECOVERY_DIR))?;
    let is_made = |name: &str| made.iter().any(|found| found == name);
    if let Some(recovered) = recovered_file::read(disk, &format!("{RECOVERY_DIR}/{FILE}")).await? {
        let before = format!("{BEFORE}{}", recovered.old_log);
        for name in disk.list("").await.map_err(io_at(""))? {
            // At first the folder `recovery` had all names in `MADE`. If one is no longer there, the entry with this
            // name was moved here from there.
            let is_new = MADE.contains(&name.as_str()) && !is_made(&name);
            if !is_new && !STAYS.contains(&name.as_str()) && !name.starts_with(BEFORE) {
                disk.create_dir(&before).await.map_err(io_at(&before))?;
                relocate(disk, &name, &format!("{before}/{name}")).await?;
                disk.sync_dir(&before).await.map_err(io_at(&before))?;
            }
        }
        for name in MADE.into_iter().filter(|name| is_made(name)) {
            relocate(disk, &format!("{RECOVERY_DIR}/{name}"), name).await?;
        }
    }
    clear(disk).await?;
    disk.remove_dir(RECOVERY_DIR).await.map_err(io_at(RECOVERY_DIR))?;
    disk.sync_dir("").await.map_err(io_at(""))
}

/// Renames, and makes the names in the root and in the folder `recovery` durable.
async fn relocate(disk: &dyn Disk, from: &str, to: &str) -> Result<(), RecoverError> {
    disk.rename(from, to).await.map_err(io_at(from))?;
    disk.sync_dir("").await.map_err(io_at(""))?;
    disk.sync_dir(RECOVERY_DIR).await.map_err(io_at(RECOVERY_DIR))
}

/// Removes what is in the folder.
pub(in crate::node) async fn clear(disk: &dyn Disk) -> Result<(), RecoverError> {
    let list = |dir: String| async move {
        match disk.list(&dir).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(io_at(&dir)),
        }
    };
    let journal = format!("{RECOVERY_DIR}/journal");
    for name in list(journal.clone()).await? {
        let path = format!("{journal}/{name}");
        disk.remove(&path).await.map_err(io_at(&path))?;
    }
    for name in list(RECOVERY_DIR.to_owned()).await? {
        let path = format!("{RECOVERY_DIR}/{name}");
        let removed = if name == "journal" { disk.remove_dir(&path).await } else { disk.remove(&path).await };
        removed.map_err(io_at(&path))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "swap_tests.rs"]
mod tests;
