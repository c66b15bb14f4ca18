//! Clients that put their own keys, one after the other, each value larger than the one before.

#![expect(clippy::disallowed_methods, reason = "a tool's task: its failure ends the run, not a node")]

use naxos_proto::etcd::client::etcdserverpb::PutRequest;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use super::ledger::Ledger;

/// Keys of one writer.
const KEYS_PER_WRITER: u64 = 40;
/// Bytes that make a value as large as those of the benchmarks.
const PADDING_BYTES: usize = 240;

/// A put that the server acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    pub writer: u32,
    pub number: u64,
    pub revision: i64,
}

/// What one writer has done.
#[derive(Debug, Default)]
pub struct Written {
    pub writer: u32,
    pub acknowledged: Vec<Acknowledged>,
    /// The number after the last one that was sent.
    pub next: u64,
    /// Why it ended.
    pub refused: String,
}

/// The key that a writer puts as its `number`th.
pub fn key(writer: u32, number: u64) -> Vec<u8> {
    format!("writer/{writer:03}/{:03}", number % KEYS_PER_WRITER).into_bytes()
}

/// The value that belongs to it.
pub fn value(number: u64) -> Vec<u8> {
    let mut value = format!("{number:020} ").into_bytes();
    value.resize(value.len() + PADDING_BYTES, b'.');
    value
}

/// The number in a value.
pub fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value.get(..20)?).ok()?.parse().ok()
}

/// Starts the writers, each on a connection of its own; each ends with its first error.
///
/// # Errors
/// If the server does not accept them.
pub async fn start(url: &str, writers: u32, ledger: &Ledger) -> anyhow::Result<Vec<JoinHandle<Written>>> {
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let channel = Endpoint::from_shared(url.to_owned())?.connect().await?;
        tasks.push(tokio::spawn(write(KvClient::new(channel), writer, ledger.next_of(writer))));
    }
    Ok(tasks)
}

async fn write(mut client: KvClient<Channel>, writer: u32, first: u64) -> Written {
    let mut written = Written { writer, next: first, ..Written::default() };
    loop {
        let number = written.next;
        written.next += 1;
        let put = PutRequest { key: key(writer, number).into(), value: value(number).into(), ..PutRequest::default() };
        match client.put(put).await {
            Ok(answer) => {
                let revision = answer.into_inner().header.map_or(0, |header| header.revision);
                written.acknowledged.push(Acknowledged { writer, number, revision });
            }
            Err(status) => {
                written.refused = format!("{:?}: {}", status.code(), status.message());
                return written;
            }
        }
    }
}
