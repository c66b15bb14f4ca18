//! A log that is followed from several processes: each appends one line, and prints what all of them append, in the same
//! order.
//!
//! Run one of three nodes with `cargo run -p naxos --example tail -- 0`, and the others with `1` and `2`.

use naxos::Naxos;
use tokio_stream::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = std::env::args().nth(1).unwrap_or_default().parse()?;
    let peers = [1, 2, 3].map(|port| format!("http://127.0.0.1:1237{port}"));
    let node = Naxos::open(format!("./tail-{own}")).peers(own, peers).await?;
    let log = node.log().await?;
    log.append(format!("hello from node {own}")).await?;
    let mut items = log.follow(log.oldest());
    loop {
        tokio::select! {
            item = items.next() => {
                let (entries, _) = item.ok_or("the node was stopped")??;
                for entry in entries {
                    println!("{}: {}", entry.position, str::from_utf8(&entry.body)?);
                }
            }
            pressed = tokio::signal::ctrl_c() => break pressed?,
        }
    }
    node.stop().await;
    Ok(())
}
