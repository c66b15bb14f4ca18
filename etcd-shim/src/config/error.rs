//! [`Stop`]: why the program ends after reading its configuration.

use super::note::Note;

/// Why the program ends. The exit code is etcd's, and so is the stream to which the text is written.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The command line cannot be read: text and usage on stderr, exit code 2.
    #[error("{0}")]
    Usage(String),
    /// `--help`: exit code 0.
    #[error("help")]
    Help,
    /// `--version`: exit code 0.
    #[error("version")]
    Version,
    /// The values are not valid: a log line, exit code 1.
    #[error("{error}")]
    Invalid {
        /// What is wrong and what was expected.
        error: String,
        /// The lines for the log that were collected before the error.
        notes: Vec<Note>,
    },
    /// A flag and its variable are both set: a log line at level fatal, exit code 1.
    #[error("conflicting environment variable {variable} is shadowed by a command line flag")]
    Conflict {
        /// The variable.
        variable: String,
        /// The lines for the log that were collected before the error.
        notes: Vec<Note>,
    },
}
