//! [`Disk`]: a file system of its own for one member, which can be frozen.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::tools::{self, run, text};

/// The size of the file system. Its image is sparse, so it takes only what is written.
const BYTES: u64 = 4 << 30;

/// An ext4 file system in a file. While it is frozen, every write and every sync waits, and everything else goes on: a
/// disk that hangs. It is unmounted and removed when this is dropped, which must be after its member has ended.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    root: PathBuf,
}

impl Disk {
    /// Checks that this machine can make and freeze such a file system.
    pub fn need(what: &str) -> Result<()> {
        tools::need(what, &["mkfs.ext4", "mount", "umount", "fsfreeze"])
    }

    /// Makes and mounts an empty file system below `parent`.
    pub fn mount(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        let folder = tempfile::Builder::new().prefix("bench-disk-").tempdir_in(parent)?;
        let (image, root) = (folder.path().join("image"), folder.path().join("root"));
        File::create(&image)?.set_len(BYTES)?;
        fs::create_dir(&root)?;
        run("mkfs.ext4", &["-q", "-F", text(&image)?])?;
        run("mount", &["-o", "loop", text(&image)?, text(&root)?])?;
        Ok(Self { folder, root })
    }

    /// The folder where it is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// From now on writes and syncs wait.
    pub fn freeze(&self) -> Result<()> {
        run("fsfreeze", &["--freeze", text(&self.root)?])
    }

    /// The writes and syncs that wait go on.
    pub fn thaw(&self) -> Result<()> {
        run("fsfreeze", &["--unfreeze", text(&self.root)?])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // This fails if the file system is not frozen, which is the usual case.
        let _ = self.thaw();
        let Ok(root) = text(&self.root) else { return };
        if let Err(error) = run("umount", &[root]).or_else(|_| run("umount", &["--lazy", root])) {
            eprintln!("{} stays mounted: {error:#}", self.folder.path().display());
        }
    }
}
