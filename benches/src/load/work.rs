//! The kinds of work of the clients, and the number of clients.

use clap::ValueEnum;
use serde::Serialize;

/// One kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Put a value under a random key.
    Put,
    /// Linearizable get of a random key.
    Get,
    /// Get a random key. Then a Txn puts the key if its mod revision is still the same, and gets it again if not.
    /// kube-apiserver updates objects in this way. The two calls count as one operation.
    Update,
    /// Linearizable Range over 500 keys.
    List,
    /// Linearizable Range from the beginning of a random page to the end of the prefix, with limit 500. The server also
    /// counts all keys of that range.
    Page,
    /// Put values under the prefix that every watcher watches. Each event that a watcher gets counts as one operation.
    Watch,
}

impl Work {
    /// Whether the work reads keys that must exist.
    pub fn reads(self) -> bool {
        matches!(self, Work::Get | Work::Update | Work::List | Work::Page)
    }
}

/// Number of keys in one answer of [`Work::List`] and [`Work::Page`].
pub const ANSWER_KEYS: u64 = 500;

/// The numbers of clients, connections and watchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Number of clients. Each has one call in flight. For [`Work::Watch`] these are the writers.
    pub clients: usize,
    /// Number of connections. The clients and watchers share them evenly.
    pub connections: usize,
    /// Number of watchers, each on its own stream. 0 except for [`Work::Watch`].
    pub watchers: usize,
}

impl Shape {
    /// This number of clients without watchers, on the usual number of connections. That is as many as there are
    /// clients, but at most 8 for up to 64 clients and 16 for more.
    pub fn of(clients: usize) -> Self {
        Self { clients, connections: usual_connections(clients), watchers: 0 }
    }
}

/// The usual number of connections for this many clients; see [`Shape::of`].
pub fn usual_connections(clients: usize) -> usize {
    match clients {
        0..=8 => clients.max(1),
        9..=64 => 8,
        _ => 16,
    }
}
