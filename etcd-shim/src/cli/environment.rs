//! What the program is given by the system.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The command line and the environment as texts.
pub(super) struct Given {
    /// The name the program was started by.
    pub(super) argv0: String,
    /// The words after it.
    pub(super) words: Vec<String>,
    /// The environment.
    pub(super) variables: BTreeMap<String, String>,
    /// The first word, or variable of etcd's, that is no text: another one must not take its place.
    pub(super) no_text: Option<String>,
}

impl Given {
    /// Reads both.
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
