//! Output of etcdctl without the parts that may differ between two servers: ids, term, sizes, times, addresses.

use serde_json::Value;

/// Fields of JSON, lines of `-w fields` and columns of tables that differ from server to server.
const OWN: [&str; 29] = [
    "cluster_id",
    "member_id",
    "raft_term",
    "dbSize",
    "dbSizeInUse",
    "leader",
    "raftIndex",
    "raftTerm",
    "raftAppliedIndex",
    "took",
    "ttl",
    "ClusterID",
    "MemberID",
    "RaftTerm",
    "DBSize",
    "DBSizeInUse",
    "Leader",
    "RaftIndex",
    "RaftAppliedIndex",
    "DB SIZE",
    "IN USE",
    "PERCENTAGE NOT IN USE",
    "RAFT TERM",
    "RAFT INDEX",
    "RAFT APPLIED INDEX",
    "PEER ADDRS",
    "peerURLs",
    "PeerURL",
    "StorageSize",
];
/// The parts that differ in the one line that `endpoint status` prints: their positions in the line, from 0.
const OWN_IN_STATUS: [usize; 6] = [4, 5, 6, 10, 11, 12];

/// Replaces the ids and the address of one server by names.
#[derive(Debug)]
pub struct Plain {
    names: Vec<(String, &'static str)>,
}

impl Plain {
    /// For the server at the URL `endpoint`, which is replaced by `ENDPOINT`.
    pub fn new(endpoint: &str) -> Self {
        Plain { names: vec![(endpoint.to_owned(), "ENDPOINT")] }
    }

    /// From now on replaces `number` by `name`, in decimal and in hexadecimal.
    pub fn call(&mut self, number: u64, name: &'static str) {
        self.names.insert(0, (number.to_string(), name));
        self.names.insert(0, (format!("{number:x}"), name));
        self.names.insert(0, (format!("{number:016x}"), name));
    }

    /// Replaces the ids and the address by names and changes nothing else.
    pub fn words(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (number, name)| text.replace(number, name))
    }

    /// Replaces the ids and the address by names and removes the other parts that differ.
    pub fn text(&self, text: &str) -> String {
        if let Ok(mut value) = serde_json::from_str::<Value>(text) {
            blank(&mut value);
            return self.words(&value.to_string());
        }
        let text = self.words(text);
        let mut columns: Vec<bool> = Vec::new();
        let lines = text.lines().filter(|line| !line.starts_with("+--")).map(|line| match line {
            _ if line.starts_with('|') => table_row(line, &mut columns),
            _ if line.starts_with('"') && line.contains("\" : ") => field(line),
            _ if line.matches(", ").count() >= 10 => status(line),
            _ => timed(line),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn is_own(name: &str) -> bool {
    OWN.contains(&name)
}

fn blank(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Object(fields) => {
            for (name, value) in fields {
                if is_own(name) { *value = Value::Null } else { blank(value) }
            }
        }
        _ => {}
    }
}

/// A row of a table without the columns that differ. `columns` says for each column whether it differs; it is empty
/// before the first row, which has the names of the columns.
fn table_row(line: &str, columns: &mut Vec<bool>) -> String {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    if columns.is_empty() {
        *columns = cells.iter().map(|name| is_own(name)).collect();
        return cells.join(" | ");
    }
    let shown = cells.iter().zip(columns.iter()).map(|(cell, own)| if *own { "..." } else { cell });
    shown.collect::<Vec<_>>().join(" | ")
}

/// One line of `-w fields`.
fn field(line: &str) -> String {
    let name = line.split('"').nth(1).unwrap_or_default();
    if is_own(name) { format!("\"{name}\" : ...") } else { line.to_owned() }
}

/// Reduces the one line of `endpoint status`.
fn status(line: &str) -> String {
    let cells = line.split(", ").enumerate();
    cells.map(|(at, cell)| if OWN_IN_STATUS.contains(&at) { "..." } else { cell }).collect::<Vec<_>>().join(", ")
}

/// Cuts the line off before a duration, and removes peer addresses from a line of the list of members.
fn timed(line: &str) -> String {
    let line = line.split("took").next().unwrap_or_default();
    let line = line.split("remaining(").next().unwrap_or_default();
    let parts = line.split(", ").map(|part| if part.starts_with("http://127.") { "..." } else { part });
    parts.collect::<Vec<_>>().join(", ")
}
