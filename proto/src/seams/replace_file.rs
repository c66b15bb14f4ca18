//! [`replace_file`]: small files that are always there as a whole.

use std::io;

use bytes::Bytes;

use super::{Disk, OpenMode};

/// Replaces the file `name`, which lies directly in the directory of `disk`, durably: after a crash it is there as it was
/// before or as it is now. `tmp` is the name of the new file while it is being written. After an error it is unknown
/// which of the two the next start finds.
pub async fn replace_file(disk: &dyn Disk, name: &str, tmp: &str, bytes: Bytes) -> io::Result<()> {
    let file = disk.open(tmp, OpenMode::Create).await?;
    file.set_len(0).await?;
    file.write_at(0, &[bytes]).await?;
    file.sync().await?;
    disk.rename(tmp, name).await?;
    disk.sync_dir("").await
}
