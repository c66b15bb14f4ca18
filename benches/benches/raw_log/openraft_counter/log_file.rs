//! [`LogFile`]: the file that makes a node's log and vote durable.
//!
//! The file has one [`Record`] per line, in JSON, and only grows. A crash can tear only what was being written, which
//! is the end of the file. A part that did not reach the disk is missing or reads as zeros, and neither is a line of
//! JSON. So a reader would take the lines up to the first one that does not parse. Reading is left out.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::record::Record;

/// A file that records are appended to. Clones share it.
#[derive(Clone)]
pub(crate) struct LogFile {
    file: Arc<Mutex<File>>,
}

impl LogFile {
    /// Makes an empty file, and makes its name durable.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        let folder = path.parent().ok_or_else(|| io::Error::other("the file's path has no folder"))?;
        File::open(folder)?.sync_all()?;
        Ok(Self { file: Arc::new(Mutex::new(file)) })
    }

    /// Appends the records and makes all of them durable with one sync, on one of tokio's threads for blocking work.
    ///
    /// # Cancel safety
    /// If the call is dropped, the records may still be written.
    pub(crate) async fn append(&self, records: &[Record<'_>]) -> io::Result<()> {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
        }
        let file = self.file.clone();
        #[expect(clippy::disallowed_methods, reason = "this is how a program made with openraft and tokio would sync")]
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.lock();
            file.write_all(&lines)?;
            file.sync_data()
        });
        written.await.map_err(io::Error::other)?
    }
}
