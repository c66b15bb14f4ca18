//! What the clients do, and how many of them.

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
    /// Get a random key, then a Txn that puts it if its mod revision is the same, else gets it again: how
    /// kube-apiserver updates. One operation is the pair.
    Update,
    /// Linearizable Range over 500 keys.
    List,
    /// Linearizable Range with limit 500 and the count of the rest, from a random key to the end of the prefix.
    Page,
    /// Closed-loop puts under the prefix that every watcher watches; one operation is an event that a watcher got.
    Watch,
}

impl Work {
    /// Whether the work reads keys that must be there.
    pub fn reads(self) -> bool {
        matches!(self, Work::Get | Work::Update | Work::List | Work::Page)
    }
}

/// Keys of one answer of [`Work::List`] and [`Work::Page`].
pub const ANSWER_KEYS: u64 = 500;

/// Clients, connections and watchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Callers; each has one call under way. The writers of [`Work::Watch`].
    pub clients: usize,
    /// Connections, which the clients and watchers share evenly.
    pub connections: usize,
    /// Watchers, each on a stream of its own; 0 but for [`Work::Watch`].
    pub watchers: usize,
}

impl Shape {
    /// `clients` over the usual number of connections: 1 over 1, 64 over 8, 256 over 16.
    pub fn of(clients: usize) -> Self {
        Self { clients, connections: usual_connections(clients), watchers: 0 }
    }
}

/// See [`Shape::of`].
pub fn usual_connections(clients: usize) -> usize {
    match clients {
        0..=8 => clients.max(1),
        9..=64 => 8,
        _ => 16,
    }
}
