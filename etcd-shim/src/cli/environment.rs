//! What the program is given by the system.

use std::collections::BTreeMap;

/// The command line and the environment as texts; bytes that are no UTF-8 are replaced, and then mean nothing.
pub(super) struct Given {
    /// The name the program was started by.
    pub(super) argv0: String,
    /// The words after it.
    pub(super) words: Vec<String>,
    /// The environment.
    pub(super) variables: BTreeMap<String, String>,
}

impl Given {
    /// Reads both.
    pub(super) fn read() -> Given {
        let mut words = std::env::args_os().map(|w| w.to_string_lossy().into_owned());
        let argv0 = words.next().unwrap_or_else(|| "naxos".to_owned());
        let text = |t: std::ffi::OsString| t.to_string_lossy().into_owned();
        Given {
            argv0,
            words: words.collect(),
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
        }
    }

    /// The whole command line.
    pub(super) fn command_line(&self) -> Vec<&str> {
        [self.argv0.as_str()].into_iter().chain(self.words.iter().map(String::as_str)).collect()
    }
}

/// Raises the limit of open files as far as the system lets us, as Go programs do: each client is one.
pub(super) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Where it is refused, the old limit does.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}
