//! The file `old-copy`: the other members have refused this data directory because it is an old copy. Each start raises the
//! boot count, so without this file a supervisor that starts the process again and again would make the copy look younger.

use std::io::{self, ErrorKind};

use bytes::Bytes;
use naxos_client::failure::Disowned;
use naxos_proto::seams::{Disk, OpenMode, replace_file};

use crate::node::start::StartError;

const OLD_COPY_FILE: &str = "old-copy";
const TMP: &str = "old-copy.tmp";
/// More bytes of the file are not shown.
const SHOWN_BYTES: usize = 4_096;

/// Writes down that the directory was refused, and why. If that is not possible, only the log says so.
pub(in crate::node) async fn mark_old_copy(disk: &dyn Disk, disowned: &Disowned) {
    let text = Bytes::from(disowned.to_string());
    if let Err(error) = replace_file(disk, OLD_COPY_FILE, TMP, text).await {
        tracing::warn!(%error, "the file \"old-copy\" cannot be written");
    }
}

/// Refuses a directory that was refused before.
pub(in crate::node) async fn check_no_old_copy(disk: &dyn Disk) -> Result<(), StartError> {
    let why = async {
        let file = match disk.open(OLD_COPY_FILE, OpenMode::Existing).await {
            // If the path of the data directory is not a directory, a later step says so.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            opened => opened?,
        };
        let len = usize::try_from(file.len().await?).unwrap_or(usize::MAX).min(SHOWN_BYTES);
        let text = file.read_at(0, len).await?;
        io::Result::Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    };
    match why.await {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(StartError::OldCopy(why)),
        Err(error) => Err(StartError::Starts(error)),
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::contracts::StartMark;
    use naxos_proto::ids::Boot;
    use naxos_proto::seams::sim::Drive;

    use super::*;

    #[tokio::test]
    async fn a_directory_that_was_refused_is_refused_at_each_later_start() {
        let disk = Drive::new(1).mount();
        check_no_old_copy(&*disk).await.unwrap();
        let start = |boot| StartMark { boot: Boot(boot), nonce: 1 };
        mark_old_copy(&*disk, &Disowned::Start { own: start(2), by: 7, noted: start(4) }).await;
        let refused = check_no_old_copy(&*disk).await.unwrap_err().to_string();
        assert!(refused.contains("an old backup of it") && refused.contains("remembers its start 4"), "{refused}");
    }
}
