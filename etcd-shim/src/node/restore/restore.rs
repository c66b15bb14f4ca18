//! [`restore`]: makes a data directory from a backup.

use std::sync::Arc;

use naxos_engines::local_store::install_snapshot;
use naxos_log_server::founding::found_decided;
use naxos_log_server::{FoundJournal, LogServerConfig, RECOVERY_DIR};
use naxos_proto::ids::LogId;
use naxos_proto::seams::{Disk, Seams};

use super::founding::Founding;
use super::restore_error::RestoreError;
use super::store_rows::{BEGIN, StoreRows};
use crate::backup::EtcdFile;
use crate::node::recover::{RECOVERED_FILE, RecoverError, Recovered, SubDisk, clear, swap, time, write_recovered};

/// The name of the local store while it has no owner.
const STORE_MADE: &str = "restored.redb";
/// Bytes that are needed besides those of the local store: the first segment of the journal, and what stays free.
const ROOM_BYTES: u64 = 192 << 20;

/// What was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// The new log.
    pub(crate) log: LogId,
    /// Revisions of keys, deletions among them.
    pub(crate) key_values: u64,
    pub(crate) leases: u64,
    /// The revision of the file.
    pub(crate) revision_before: i64,
    /// The revision now.
    pub(crate) revision: i64,
    /// The compacted revision now; -1 if nothing is compacted.
    pub(crate) compacted: i64,
}

/// Makes the new directory in the root of `seams.disk`, whose lock the caller has. `file` is the backup, its name, and
/// its length in bytes. Raises the revision by `bump`. If that is above 0, everything up to the raised revision counts
/// as compacted.
/// Tells each step before it takes it. If the directory cannot be made, removes what was made. If the complete
/// directory cannot be moved to its place, the next start of a server or the next run of `naxos ctl restore` finishes
/// the move.
/// # Cancel safety
/// If the call is dropped before the directory is complete, no server starts on what is there, and another call begins
/// anew. If it is dropped once the directory is complete, the move is finished in the same way.
pub(crate) async fn restore(
    file: (&EtcdFile<'_>, &str, u64),
    founding: &Founding,
    bump: u64,
    seams: &Seams,
    tell: &dyn Fn(&str),
) -> Result<Outcome, RestoreError> {
    clear(&*seams.disk).await?;
    let made = make(file, founding, bump, seams, tell).await;
    if made.is_err() && clear(&*seams.disk).await.is_ok() {
        // An empty folder does no harm: the next run uses it.
        let _ = seams.disk.remove_dir(RECOVERY_DIR).await;
    }
    let outcome = made?;
    tell("step 3 of 3: move the new data directory to its place");
    swap(&*seams.disk).await?;
    Ok(outcome)
}

/// Makes the directory in the folder `recovery`.
async fn make(
    (file, name, bytes): (&EtcdFile<'_>, &str, u64),
    founding: &Founding,
    bump: u64,
    seams: &Seams,
    tell: &dyn Fn(&str),
) -> Result<Outcome, RestoreError> {
    let disk = Arc::clone(&seams.disk);
    let io = |error| RecoverError::Io(RECOVERY_DIR.to_owned(), error);
    disk.create_dir(RECOVERY_DIR).await.map_err(io)?;
    let (free, needed) = (disk.free_bytes().await.map_err(io)?, bytes.saturating_add(ROOM_BYTES));
    if free < needed {
        return Err(RestoreError::NoRoom { needed, free });
    }
    let folder: Arc<dyn Disk> = Arc::new(SubDisk { disk: Arc::clone(&disk), folder: RECOVERY_DIR });
    let made_in = Seams { disk: Arc::clone(&folder), ..seams.clone() };

    tell("step 1 of 3: begin the new log");
    found_decided(&*folder, founding.cluster, founding.own, founding.value.clone()).await?;
    drop(FoundJournal::read(made_in, LogServerConfig::default()).await?);
    tell("step 2 of 3: write the local store");
    let rows = StoreRows { file, name, founding, bump, clock: &*seams.clock, tell };
    let written = rows.write(&*folder, STORE_MADE).await?;
    install_snapshot(&*folder, STORE_MADE, founding.own.storage, BEGIN).await?;
    let outcome = Outcome {
        log: founding.value.log,
        key_values: written.key_values,
        leases: written.leases,
        revision_before: written.revision_before,
        revision: written.revision,
        compacted: written.compacted,
    };
    write_recovered(&*folder, RECOVERED_FILE, &recovered(&outcome, seams)).await?;
    disk.sync_dir("").await.map_err(|error| RecoverError::Io(String::new(), error))?;
    Ok(outcome)
}

fn recovered(outcome: &Outcome, seams: &Seams) -> Recovered {
    Recovered {
        magic: String::new(),
        version: 0,
        time: time(seams.clock.wall()),
        from: Vec::new(),
        old_log: format!("{:016x}", 0),
        log: format!("{:016x}", outcome.log.0),
        begin: BEGIN.0,
        certain: BEGIN.0,
        revision_before: outcome.revision_before,
        revision: outcome.revision,
        crc32: 0,
    }
    .sealed()
}
