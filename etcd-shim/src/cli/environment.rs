//! What the system gives to the program: the command line, the environment, the limit of open files.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The command line and the environment, as texts.
pub(super) struct Given {
    /// The name by which the program was started.
    pub(super) argv0: String,
    /// The words of the command line after that name.
    pub(super) words: Vec<String>,
    /// The variables of the environment.
    pub(super) variables: BTreeMap<String, String>,
    /// The first word that is not valid UTF-8, or if there is none, the first such `ETCD_*` variable with its name. If
    /// there is one, the server refuses to start, because `words` or `variables` hold its text with some characters
    /// replaced.
    pub(super) no_text: Option<String>,
}

impl Given {
    /// Reads the command line and the environment.
    pub(super) fn read() -> Given {
        let mut no_text = None;
        let mut text = |text: OsString, place: Option<&str>| {
            text.into_string().unwrap_or_else(|bytes| {
                if let Some(place) = place {
                    no_text.get_or_insert_with(|| format!("{place}{bytes:?}"));
                }
                bytes.to_string_lossy().into_owned()
            })
        };
        let mut words = std::env::args_os();
        let argv0 = words.next().map_or_else(|| "naxos".to_owned(), |name| text(name, None));
        let words = words.map(|word| text(word, Some(""))).collect();
        let variable = |(name, value): (OsString, OsString)| {
            let name = text(name, None);
            let value = text(value, name.starts_with("ETCD_").then(|| format!("{name}=")).as_deref());
            (name, value)
        };
        let variables = std::env::vars_os().map(variable).collect();
        Given { argv0, words, variables, no_text }
    }

    /// The whole command line, starting with the program's name.
    pub(super) fn command_line(&self) -> Vec<&str> {
        [self.argv0.as_str()].into_iter().chain(self.words.iter().map(String::as_str)).collect()
    }
}

/// Raises the limit of open files as far as the system allows, as Go programs do. Each connection of a client counts as
/// an open file.
pub(super) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // If the system refuses, the old limit stays.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}
