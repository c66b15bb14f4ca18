//! A replicated counter: a state machine of the program's own.
//!
//! Run one of three nodes with `cargo run -p naxos --example counter -- 0`, and the others with `1` and `2`. Each start adds
//! one to the same counter.

use naxos::{Applicator, Naxos, Refused, Rows};

struct Counter;

impl Applicator for Counter {
    fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
        let old = rows.get("total").map_or(Ok(0), |bytes| bytes[..].try_into().map(u64::from_le_bytes))?;
        let total = old + u64::from(u32::from_le_bytes(command.try_into()?));
        rows.put("total", total.to_le_bytes());
        Ok(total.to_string().into_bytes())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = std::env::args().nth(1).unwrap_or_default().parse()?;
    let peers = [1, 2, 3].map(|port| format!("http://127.0.0.1:1238{port}"));
    let node = Naxos::open(format!("./counter-{own}")).peers(own, peers).applicator(Counter).await?;
    println!("{}", str::from_utf8(&node.propose(1u32.to_le_bytes()).await?.answer)?);
    tokio::signal::ctrl_c().await?;
    node.stop().await;
    Ok(())
}
