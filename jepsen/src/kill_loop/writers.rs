//! Clients, each of which puts its own keys one after the other. Each value holds the number of its put.

#![expect(clippy::disallowed_methods, reason = "a tool's task: its failure ends the run, not a node")]

use naxos_proto::etcd::client::etcdserverpb::PutRequest;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use super::ledger::Ledger;
use super::writes::{Acknowledged, Written, key, value};

/// Starts the writers, each on its own connection. Each ends with its first error.
///
/// # Errors
/// If a connection to the server fails.
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
