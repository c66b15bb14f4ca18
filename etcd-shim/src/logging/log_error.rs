//! [`LogError`]: why the log cannot start.

use std::io;
use std::path::PathBuf;

/// Why the log cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file of `--log-outputs` cannot be opened.
    #[error("--log-outputs: expected a file that can be appended to: {path}: {error}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The system gives no thread to write lines.
    #[error("expected a thread for the log, and the system gives none: see `ulimit -u` and the container's pids limit")]
    Thread,
}
