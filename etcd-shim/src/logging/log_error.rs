//! [`LogError`]: why the program's own logging cannot start. The replicated log has nothing to do with it.

use std::io;
use std::path::PathBuf;

/// Why the program's own logging cannot start.
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
    /// The system gives no thread that could write the lines.
    #[error(
        "expected a thread that writes the program's log lines, and the system gives none: see `ulimit -u` and the \
         container's pids limit"
    )]
    Thread,
}
