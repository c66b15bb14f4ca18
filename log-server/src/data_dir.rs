//! The data directory: tells whether it belongs to Naxos and in which format, and lets only one process use it.
//!
//! It holds `lock` (the file of an advisory lock), `format` (what the directory is), `journal/` (the segments) and,
//! after a founding or a recovery, `founding` (see the module `founding`). Other components keep their own files beside
//! these. Formatting makes `format.tmp`, then the journal's first segment, then renames `format.tmp` to `format`. So a
//! directory with `format` always has a journal. A directory without `format` is new, half formatted (then it has
//! `format.tmp`), in a founding (then it has `founding`), in a recovery or a restore that was not finished (then it has
//! `recovery`), or belongs to another program. A directory of another program is refused before anything in it is
//! changed.

use std::sync::Arc;

use bytes::Bytes;
use naxos_proto::ids::{LogId, MemberId, StorageId};
use naxos_proto::release::ClusterVersion;
use naxos_proto::role::Role;
use naxos_proto::seams::{Disk, Entropy, OpenMode, replace_file};
use serde::{Deserialize, Serialize};

use crate::journal::{JOURNAL_DIR, create_first_segment};
use crate::open_error::OpenError;

/// Version of the data directory's format.
pub const FORMAT_VERSION: u64 = 2;
const MAGIC: &str = "naxos data directory";
const FORMAT_FILE: &str = "format";
const FORMAT_TMP: &str = "format.tmp";
const LOCK_FILE: &str = "lock";
/// The record of the cluster's founding.
pub(crate) const FOUNDING_FILE: &str = "founding";
/// The next version of that record, while it is being written.
pub(crate) const FOUNDING_TMP: &str = "founding.tmp";
/// The folder in which a recovery or a restore builds a new data directory, before it moves the new one to its place.
pub const RECOVERY_DIR: &str = "recovery";
/// A directory that a new ext4 file system has at its root.
const LOST_AND_FOUND: &str = "lost+found";
/// The largest format file that is read. A real one is far smaller.
const FORMAT_BYTES_MAX: u64 = 4_096;

/// The JSON of the file `format`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FormatFile {
    magic: String,
    version: u64,
    /// In hexadecimal.
    storage_id: String,
    /// In hexadecimal.
    log_id: String,
    /// The seat in the cluster, in hexadecimal.
    member_id: String,
    /// The cluster version, if it is not the first one. The directory may hold what came with this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster_version: Option<u32>,
    /// crc32 of `version`, `storage_id`, `log_id`, `member_id` and, if it is there, `cluster_version`, joined by spaces.
    crc32: u32,
}

/// The ids of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// Drawn at random when the directory is formatted.
    pub(crate) storage: StorageId,
    /// The log that the directory was formatted for.
    pub(crate) log: LogId,
    /// The seat that the directory was formatted for: etcd's member id.
    pub(crate) member: MemberId,
    /// The cluster version; see [`write_cluster_version`].
    pub(crate) version: ClusterVersion,
}

impl FormatFile {
    fn new(names: Names) -> Self {
        let mut file = Self {
            magic: MAGIC.to_owned(),
            version: FORMAT_VERSION,
            storage_id: format!("{:016x}", names.storage.0),
            log_id: format!("{:016x}", names.log.0),
            member_id: format!("{:016x}", names.member.0),
            cluster_version: (names.version != ClusterVersion::FIRST).then_some(names.version.0),
            crc32: 0,
        };
        file.crc32 = file.crc();
        file
    }

    fn crc(&self) -> u32 {
        let Self { version, storage_id, log_id, member_id, cluster_version, .. } = self;
        let cluster_version = cluster_version.map(|version| format!(" {version}")).unwrap_or_default();
        crc32fast::hash(format!("{version} {storage_id} {log_id} {member_id}{cluster_version}").as_bytes())
    }

    fn to_json(&self) -> Bytes {
        let mut json = serde_json::to_vec_pretty(self).expect("plain fields are JSON");
        json.push(b'\n');
        json.into()
    }
}

/// An open data directory. Dropping it gives up the lock.
pub(crate) struct DataDir {
    pub(crate) names: Names,
    pub(crate) lock: Box<dyn Send + Sync>,
}

fn parse(bytes: &[u8]) -> Result<Names, OpenError> {
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|e| OpenError::Format(format!("expected JSON: {e}")))?;
    if value["magic"] != MAGIC {
        return Err(OpenError::Format(format!("expected \"magic\": {MAGIC:?}, found {}", value["magic"])));
    }
    // The version is looked at before the other fields, because another version may have other fields.
    match value["version"].as_u64() {
        Some(FORMAT_VERSION) => {}
        Some(found) => return Err(OpenError::Version { found, known: FORMAT_VERSION }),
        None => return Err(OpenError::Format("expected a number as \"version\"".to_owned())),
    }
    let file: FormatFile = serde_json::from_value(value)
        .map_err(|e| OpenError::Format(format!("expected the fields of format version {FORMAT_VERSION}: {e}")))?;
    if file.crc32 != file.crc() {
        return Err(OpenError::Format(format!("expected \"crc32\": {}, found {}", file.crc(), file.crc32)));
    }
    let id = |text: &str, field| {
        u64::from_str_radix(text, 16)
            .map_err(|_| OpenError::Format(format!("expected hexadecimal digits as {field:?}")))
    };
    let version = file.cluster_version.map_or(ClusterVersion::FIRST, ClusterVersion);
    version.check()?;
    Ok(Names {
        version,
        storage: StorageId(id(&file.storage_id, "storage_id")?),
        log: LogId(id(&file.log_id, "log_id")?),
        member: MemberId(id(&file.member_id, "member_id")?),
    })
}

/// Tells from the names in a directory whether it is formatted. If it is not formatted, it is refused if it belongs to
/// another program, or if a recovery or a restore in it was not finished.
fn judge(names: &[String]) -> Result<bool, OpenError> {
    let has = |name: &str| names.iter().any(|n| n == name);
    if has(FORMAT_FILE) {
        return Ok(true);
    }
    if has("member") {
        return Err(OpenError::Etcd);
    }
    if has(RECOVERY_DIR) {
        return Err(OpenError::Recovering);
    }
    let half_formatted = has(FORMAT_TMP);
    let ours = |n: &String| {
        [LOCK_FILE, LOST_AND_FOUND, FORMAT_TMP, FOUNDING_FILE, FOUNDING_TMP].contains(&n.as_str())
            || (half_formatted && n == JOURNAL_DIR)
    };
    match names.iter().find(|n| !ours(n)) {
        Some(found) => Err(OpenError::Foreign { found: found.clone() }),
        None => Ok(false),
    }
}

/// Whether a directory already holds data. `names` are the names of the files and folders in it. Foreign files and an
/// unfinished recovery count as data too, although opening such a directory is refused.
pub fn is_begun(names: &[String]) -> bool {
    judge(names).unwrap_or(true)
}

/// Checks that the directory holds the data of a member. Changes nothing, and does not make a directory that is missing.
pub async fn check_has_data(disk: &dyn Disk) -> Result<(), OpenError> {
    let names = disk.list("").await.map_err(OpenError::Unusable)?;
    if judge(&names)? { read_format(disk).await.map(drop) } else { Err(OpenError::NoData) }
}

/// Takes the lock of a data directory, which has to exist. The lock is held until the value is dropped.
pub async fn lock_directory(disk: &dyn Disk) -> Result<Box<dyn Send + Sync>, OpenError> {
    disk.lock(LOCK_FILE).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::Locked { file: LOCK_FILE.to_owned() },
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => OpenError::Unusable(e),
        _ => OpenError::io(LOCK_FILE, e),
    })
}

pub(crate) async fn read_format(disk: &dyn Disk) -> Result<Names, OpenError> {
    let io = |e| OpenError::io(FORMAT_FILE, e);
    let file = disk.open(FORMAT_FILE, OpenMode::Existing).await.map_err(io)?;
    let len = file.len().await.map_err(io)?;
    if len > FORMAT_BYTES_MAX {
        return Err(OpenError::Format(format!("expected at most {FORMAT_BYTES_MAX} bytes, found {len}")));
    }
    parse(&file.read_at(0, usize::try_from(len).expect("it is short")).await.map_err(io)?)
}

/// Names the cluster version in `format`, durably. From then on the journal may hold records that came with that version.
/// A program that does not understand it would take them for damage, so it must refuse the directory before it reads the
/// journal.
pub(crate) async fn write_cluster_version(disk: &dyn Disk, version: ClusterVersion) -> Result<(), OpenError> {
    let names = Names { version, ..read_format(disk).await? };
    let replaced = replace_file(disk, FORMAT_FILE, FORMAT_TMP, FormatFile::new(names).to_json()).await;
    replaced.map_err(|e| OpenError::io(FORMAT_FILE, e))
}

async fn format(
    disk: &Arc<dyn Disk>,
    entropy: &dyn Entropy,
    wanted: Wanted,
    segment_bytes: u64,
) -> Result<Names, OpenError> {
    let io = |e| OpenError::io(FORMAT_TMP, e);
    let names = Names {
        storage: wanted.storage.unwrap_or_else(|| Role::Node.draw(entropy)),
        log: wanted.log.unwrap_or_else(|| LogId(entropy.id())),
        member: wanted.member.unwrap_or_else(|| MemberId(entropy.id())),
        version: ClusterVersion::FIRST,
    };
    let file = disk.open(FORMAT_TMP, OpenMode::Create).await.map_err(io)?;
    file.set_len(0).await.map_err(io)?;
    file.write_at(0, &[FormatFile::new(names).to_json()]).await.map_err(io)?;
    file.sync().await.map_err(io)?;
    disk.sync_dir("").await.map_err(io)?;
    let io = |e| OpenError::io(JOURNAL_DIR, e);
    disk.create_dir(JOURNAL_DIR).await.map_err(io)?;
    disk.sync_dir("").await.map_err(io)?;
    for leftover in disk.list(JOURNAL_DIR).await.map_err(io)? {
        disk.remove(&format!("{JOURNAL_DIR}/{leftover}")).await.map_err(io)?;
    }
    create_first_segment(disk, names.storage, segment_bytes).await.map_err(io)?;
    let io = |e| OpenError::io(FORMAT_FILE, e);
    disk.rename(FORMAT_TMP, FORMAT_FILE).await.map_err(io)?;
    disk.sync_dir("").await.map_err(io)?;
    Ok(names)
}

/// The ids for formatting a directory. For each `None` an id is drawn at random.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) storage: Option<StorageId>,
    pub(crate) log: Option<LogId>,
    pub(crate) member: Option<MemberId>,
}

/// A data directory that no other process can use while this value lives. Nothing in it but the lock was changed.
pub(crate) struct Claim {
    pub(crate) is_formatted: bool,
    pub(crate) lock: Box<dyn Send + Sync>,
}

/// Checks that the directory is new or belongs to Naxos, and takes its lock. Makes the directory if it is missing.
pub(crate) async fn claim(disk: &Arc<dyn Disk>) -> Result<Claim, OpenError> {
    let list = || async { disk.list("").await.map_err(OpenError::Unusable) };
    if disk.list("").await.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
        disk.create_dir("").await.map_err(OpenError::Unusable)?;
    }
    // The names are checked before the lock is taken, because locking makes a file. They are checked again afterwards,
    // because the process that held the lock may have formatted the directory.
    if judge(&list().await?)? {
        read_format(disk.as_ref()).await?;
    }
    let lock = lock_directory(&**disk).await?;
    Ok(Claim { is_formatted: judge(&list().await?)?, lock })
}

/// Opens the data directory. Formats it as `wanted` if it is new or half formatted.
pub(crate) async fn open_data_dir(
    disk: &Arc<dyn Disk>,
    claim: Claim,
    entropy: &dyn Entropy,
    wanted: Wanted,
    segment_bytes: u64,
) -> Result<DataDir, OpenError> {
    let names = if claim.is_formatted {
        // The process that made the name `format` may have ended before the name was durable. After a power cut the
        // directory would then count as half formatted, and its journal would be made anew. So the name is made durable
        // before anything is written to the journal.
        disk.sync_dir("").await.map_err(|e| OpenError::io(FORMAT_FILE, e))?;
        read_format(disk.as_ref()).await?
    } else {
        format(disk, entropy, wanted, segment_bytes).await?
    };
    Ok(DataDir { names, lock: claim.lock })
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::sim::{Drive, SeededEntropy};

    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn only_empty_half_formatted_and_own_directories_are_taken() {
        assert!(!judge(&names(&[])).unwrap());
        assert!(!judge(&names(&["lock", "lost+found"])).unwrap());
        assert!(!judge(&names(&["format.tmp", "journal", "lock"])).unwrap());
        assert!(!judge(&names(&["founding", "founding.tmp", "lock"])).unwrap());
        assert!(judge(&names(&["format", "journal", "lock", "store.redb"])).unwrap());
        assert!(judge(&names(&["format", "journal", "recovery"])).unwrap(), "an unfinished recovery beside the data");
        assert!(matches!(judge(&names(&["lock", "recovery"])), Err(OpenError::Recovering)));
        assert!(matches!(judge(&names(&["founding", "journal"])), Err(OpenError::Foreign { .. })));
        assert!(matches!(judge(&names(&["member"])), Err(OpenError::Etcd)));
        assert!(matches!(judge(&names(&["journal", "lock"])), Err(OpenError::Foreign { .. })));
        assert!(matches!(judge(&names(&["photos"])), Err(OpenError::Foreign { found }) if found == "photos"));
    }

    #[test]
    fn a_damaged_or_newer_format_file_says_what_was_expected() {
        let names = Names { storage: StorageId(1), log: LogId(2), member: MemberId(3), version: ClusterVersion::FIRST };
        let good = FormatFile::new(names);
        let bytes = |f: &FormatFile| serde_json::to_vec(f).unwrap();
        assert_eq!(parse(&bytes(&good)).unwrap(), names);
        let newer = FormatFile { version: 9, ..good.clone() };
        assert!(matches!(parse(&bytes(&newer)), Err(OpenError::Version { found: 9, known: FORMAT_VERSION })));
        let other = FormatFile { storage_id: "0000000000000009".to_owned(), ..good.clone() };
        assert!(parse(&bytes(&other)).unwrap_err().to_string().contains("crc32"));
        assert!(parse(b"\x00\x01").unwrap_err().to_string().contains("expected JSON"));
        let invented = FormatFile { cluster_version: Some(1), ..good };
        assert!(parse(&bytes(&invented)).unwrap_err().to_string().contains("crc32"));
    }

    #[tokio::test]
    async fn a_directory_of_a_later_cluster_version_is_refused_before_its_journal_is_read() {
        let (drive, entropy) = (Drive::new(1), SeededEntropy::new(1));
        let disk = drive.mount();
        let made = format(&disk, &entropy, Wanted::default(), 1 << 20).await.unwrap();
        write_cluster_version(&*disk, ClusterVersion::NEWEST).await.unwrap();
        assert_eq!(read_format(&*disk).await.unwrap(), Names { version: ClusterVersion::NEWEST, ..made });
        let later = ClusterVersion(ClusterVersion::NEWEST.0 + 1);
        write_cluster_version(&*disk, later).await.unwrap();
        for name in disk.list(JOURNAL_DIR).await.unwrap() {
            disk.remove(&format!("{JOURNAL_DIR}/{name}")).await.unwrap();
        }
        let Err(OpenError::Newer(refused)) = claim(&disk).await.map(drop) else { panic!("it is accepted") };
        assert_eq!(refused, later.check().unwrap_err());
        assert!(
            !disk.list("").await.unwrap().iter().any(|name| name == LOCK_FILE),
            "the refusal has changed something"
        );
    }
}
