//! The file `recovered`. It says that a data directory was made by a recovery or a restore, from which directories it was
//! made, and where its log begins.

use std::io::ErrorKind;

use bytes::Bytes;
use naxos_proto::ids::Lsn;
use naxos_proto::seams::{Disk, OpenMode, replace_file};
use serde::{Deserialize, Serialize};

use super::RecoverError;

/// Its name.
pub(in crate::node) const FILE: &str = "recovered";
const MAGIC: &str = "naxos recovery";
const VERSION: u64 = 1;
/// The largest file that is read. A real one is far smaller.
const BYTES_MAX: u64 = 16_384;

/// The JSON of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::node) struct Recovered {
    pub(in crate::node) magic: String,
    pub(in crate::node) version: u64,
    /// When it was made: RFC 3339.
    pub(in crate::node) time: String,
    /// The storage ids of the directories that were read, in hexadecimal. The first one gave its local store. Empty after a
    /// restore.
    pub(in crate::node) from: Vec<String>,
    /// The id of the log before the recovery, in hexadecimal. It is 0 if a restore made the directory.
    pub(in crate::node) old_log: String,
    /// The id of the log after the recovery, in hexadecimal.
    pub(in crate::node) log: String,
    /// The first position of the log.
    pub(in crate::node) begin: u64,
    /// Below this position of the old log no acknowledged write is missing. After a restore, which has no old log, it
    /// is the same as `begin`.
    pub(in crate::node) certain: u64,
    /// The revision of the newest write that was kept.
    pub(in crate::node) revision_before: i64,
    /// The revision after the recovery or the restore. Everything up to it counts as compacted, except after a restore
    /// that did not raise the revision.
    pub(in crate::node) revision: i64,
    /// crc32 of `version`, `old_log`, `log` and `begin`, joined by spaces.
    pub(in crate::node) crc32: u32,
}

impl Recovered {
    /// Fills in the magic and the version, which are the same in every file, and the checksum.
    pub(in crate::node) fn sealed(mut self) -> Self {
        MAGIC.clone_into(&mut self.magic);
        self.version = VERSION;
        self.crc32 = self.crc();
        self
    }

    fn crc(&self) -> u32 {
        let Self { version, old_log, log, begin, .. } = self;
        crc32fast::hash(format!("{version} {old_log} {log} {begin}").as_bytes())
    }
}

/// Reads the file at `path`. `None` if there is none.
pub(in crate::node) async fn read(disk: &dyn Disk, path: &str) -> Result<Option<Recovered>, RecoverError> {
    let io = |error| RecoverError::Io(path.to_owned(), error);
    let file = match disk.open(path, OpenMode::Existing).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let len = file.len().await.map_err(io)?;
    if len > BYTES_MAX {
        return Err(RecoverError::Recovered(format!("expected at most {BYTES_MAX} bytes, found {len}")));
    }
    let bytes = file.read_at(0, usize::try_from(len).expect("it is short")).await.map_err(io)?;
    parse(&bytes).map(Some)
}

fn parse(bytes: &[u8]) -> Result<Recovered, RecoverError> {
    let damaged = |why: String| RecoverError::Recovered(why);
    let found: Recovered =
        serde_json::from_slice(bytes).map_err(|e| damaged(format!("expected the JSON of version {VERSION}: {e}")))?;
    if found.magic != MAGIC || found.version != VERSION {
        return Err(damaged(format!(
            "expected {MAGIC:?} version {VERSION}, found {:?} {}",
            found.magic, found.version
        )));
    }
    if found.crc32 != found.crc() {
        return Err(damaged(format!("expected \"crc32\": {}, found {}", found.crc(), found.crc32)));
    }
    Ok(found)
}

/// Writes the file, durably.
pub(in crate::node) async fn write(disk: &dyn Disk, path: &str, recovered: &Recovered) -> Result<(), RecoverError> {
    let mut json = serde_json::to_vec_pretty(recovered).expect("plain fields are JSON");
    json.push(b'\n');
    let written = replace_file(disk, path, &format!("{path}.tmp"), Bytes::from(json)).await;
    written.map_err(|error| RecoverError::Io(path.to_owned(), error))
}

/// Where the log of a data directory begins: at 0, unless the directory was made by a recovery or a restore.
pub(in crate::node) async fn begin_of_log(disk: &dyn Disk) -> Result<Lsn, RecoverError> {
    Ok(read(disk, FILE).await?.map_or(Lsn::ZERO, |recovered| Lsn(recovered.begin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_says_what_was_expected() {
        let good = Recovered {
            magic: String::new(),
            version: 0,
            time: "2026-11-29T10:00:00Z".to_owned(),
            from: vec!["1".to_owned()],
            old_log: "2".to_owned(),
            log: "3".to_owned(),
            begin: 4,
            certain: 3,
            revision_before: 5,
            revision: 1_005,
            crc32: 0,
        }
        .sealed();
        let bytes = |recovered: &Recovered| serde_json::to_vec(recovered).unwrap();
        assert_eq!(parse(&bytes(&good)).unwrap(), good);
        let other = Recovered { begin: 5, ..good.clone() };
        assert!(parse(&bytes(&other)).unwrap_err().to_string().contains("crc32"));
        let newer = Recovered { version: 2, ..good };
        assert!(parse(&bytes(&newer)).unwrap_err().to_string().contains("version 1"));
        assert!(parse(b"{").unwrap_err().to_string().contains("expected the JSON"));
    }
}
