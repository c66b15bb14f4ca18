//! Why reading the configuration does not end in a start.

use super::note::Note;

/// The program ends here. Which stream gets the text and which exit code the program has is etcd's choice.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The command line does not read: text and usage on stderr, exit code 2.
    #[error("{0}")]
    Usage(String),
    /// `--help`: exit code 0.
    #[error("help")]
    Help,
    /// `--version`: exit code 0.
    #[error("version")]
    Version,
    /// The values do not fit: a log line, exit code 1.
    #[error("{error}")]
    Invalid {
        /// What is wrong and what was expected.
        error: String,
        /// What there was to say before.
        notes: Vec<Note>,
    },
    /// A flag and its variable are both there: a log line at level fatal, exit code 1.
    #[error("conflicting environment variable {variable} is shadowed by a command line flag")]
    Conflict {
        /// The variable.
        variable: String,
        /// What there was to say before.
        notes: Vec<Note>,
    },
}
