//! The system's errors in Go's words, which users of etcd know.

use std::io;

/// An error of the system as Go writes it: `no such file or directory`.
pub(crate) fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(t, _)| t);
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
