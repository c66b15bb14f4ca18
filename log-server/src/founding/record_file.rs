//! The file `founding`: reading and writing a [`FoundingRecord`].

use std::io;

use naxos_proto::release::ClusterVersion;
use naxos_proto::seams::{Disk, OpenMode, replace_file};

use super::record::{FoundingRecord, RECORD_BYTES_MAX};
use crate::data_dir::{FOUNDING_FILE, FOUNDING_TMP, Names};
use crate::open_error::OpenError;

/// Reads the record. `None` if there is none. When this returns, the name of the file is durable.
///
/// An earlier process may have renamed the file and ended before it synced the folder. Then a power cut could bring the
/// older record back. So the folder is synced here: no later process may read an older record than the one from which
/// this process answers.
pub(super) async fn read_record(disk: &dyn Disk) -> Result<Option<FoundingRecord>, OpenError> {
    let io = |e| OpenError::io(FOUNDING_FILE, e);
    let file = match disk.open(FOUNDING_FILE, OpenMode::Existing).await {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
    };
    let len = file.len().await.map_err(io)?;
    if len > RECORD_BYTES_MAX {
        return Err(OpenError::Founding(format!("expected at most {RECORD_BYTES_MAX} bytes, found {len}")));
    }
    let bytes = file.read_at(0, usize::try_from(len).expect("it is short")).await.map_err(io)?;
    let record = FoundingRecord::decode(&bytes)?;
    disk.sync_dir("").await.map_err(io)?;
    Ok(Some(record))
}

/// Replaces the record, durably. After an error it is unknown which of the two records the next start finds, so the
/// caller must not answer any more.
pub(super) async fn write_record(disk: &dyn Disk, record: &FoundingRecord) -> io::Result<()> {
    replace_file(disk, FOUNDING_FILE, FOUNDING_TMP, record.encode()).await
}

/// As [`write_record`], with the error of opening a data directory.
pub(super) async fn write_founding(disk: &dyn Disk, record: &FoundingRecord) -> Result<(), OpenError> {
    write_record(disk, record).await.map_err(|e| OpenError::io(FOUNDING_FILE, e))
}

/// The ids with which a data directory is formatted after its founding. `None` if it has no record of a founding.
pub(crate) async fn founded_names(disk: &dyn Disk) -> Result<Option<Names>, OpenError> {
    let Some(FoundingRecord { cluster, own, decided, .. }) = read_record(disk).await? else { return Ok(None) };
    let Some(decided) = decided else { return Err(OpenError::NotFounded { cluster }) };
    Ok(Some(Names { storage: own.storage, log: decided.log, member: own.seat, version: ClusterVersion::FIRST }))
}
