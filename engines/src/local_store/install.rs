//! Installs the snapshot of another node, while no store is open: [`install_snapshot`].

use naxos_proto::ids::{Lsn, StorageId};
use naxos_proto::seams::{Disk, OpenMode};

use crate::local_store::damage::caught;
use crate::local_store::database::{Database, open_file};
use crate::local_store::opening::{WHOLE, open_database};
use crate::local_store::store_error::StoreError;

/// Makes the file `name`, whose bytes were checked, the store of `owner`. It must have applied the log up to `cursor`.
/// The file gets its new name when it is complete and durable, so a crash leaves the old store or the new one.
pub async fn install_snapshot(
    disk: &dyn Disk,
    name: &'static str,
    owner: StorageId,
    cursor: Lsn,
) -> Result<(), StoreError> {
    let database = open_database(disk, name, None).await?;
    let found = caught(WHOLE, || {
        let (found, _) = database.cursor()?;
        database.write_owner(owner)?;
        Ok(found)
    })?;
    if found != cursor {
        let found = format!("a store that has applied the log up to {found}");
        return Err(StoreError::Damaged { expected: "a store at the position in the snapshot's manifest", found });
    }
    database.release_all(None).await?;
    database.close().await?;
    let file = open_file(disk, name, OpenMode::Existing).await?;
    file.sync().await.map_err(|error| StoreError::Io { file: name, error })?;
    Database::give_name(disk, name).await?;
    Database::sync_name(disk).await
}
