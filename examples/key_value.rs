//! A key-value service over TCP on a state machine of its own.
//!
//! Run one of three nodes with `cargo run -p naxos --example key_value -- 0`, and the others with `1` and `2`. Node `n` listens
//! on port 1370`n`. Type lines into `nc 127.0.0.1 13700`: `set color blue`, `get color`, `append color ish`, `del color`.

use std::sync::Arc;

use naxos::{Applicator, Freshness, Naxos, Refused, Rows};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Commands are lines: a verb, a key, and for two of the verbs a value.
struct KeyValue;

impl Applicator for KeyValue {
    fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
        let words: Vec<&str> = str::from_utf8(command)?.splitn(3, ' ').collect();
        match words[..] {
            ["set", key, value] => rows.put(key, value),
            ["append", key, more] => {
                let old = rows.get(key).ok_or_else(|| Refused::because(format!("there is no key {key}")))?;
                rows.put(key, [&old[..], more.as_bytes()].concat());
            }
            ["del", key] => rows.delete(key),
            _ => return Err(Refused::because("expected set KEY VALUE, append KEY VALUE or del KEY")),
        }
        Ok(b"ok".to_vec())
    }
}

/// Answers the lines of one client.
async fn serve(node: Arc<Naxos>, client: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(client).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match line.strip_prefix("get ") {
            Some(key) => {
                let found = node.query(Freshness::Linearizable, |rows| rows.get(key)).await;
                found.map(|value| value.unwrap_or_default())
            }
            None => node.propose(&line).await.map(|applied| applied.answer),
        };
        let answer =
            answer.map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
        lines.get_mut().get_mut().write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own: usize = std::env::args().nth(1).unwrap_or_default().parse()?;
    let peers = [1, 2, 3].map(|port| format!("http://127.0.0.1:1338{port}"));
    let node = Arc::new(Naxos::open(format!("./key-value-{own}")).peers(own, peers).applicator(KeyValue).await?);
    let listener = TcpListener::bind(format!("127.0.0.1:1370{own}")).await?;
    println!("listening on {}", listener.local_addr()?);
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => drop(clients.spawn(serve(Arc::clone(&node), accepted?.0))),
            Some(_) = clients.join_next() => {}
        }
    }
}
