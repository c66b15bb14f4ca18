//! An etcd inside your program: clients of etcd use the same store, and the program watches what they do.
//!
//! Run it with `cargo run -p naxos --example etcd_inside -- 127.0.0.1:2379`, and in another terminal
//! `etcdctl put color blue`. It ends after the first change.

use naxos::{Keys, Naxos};

#[tokio::main]
async fn main() -> Result<(), naxos::Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:2379".to_owned());
    let store = Naxos::memory().serve_etcd(&address).await?;
    let mut changes = store.watch(Keys::all()).await?;
    println!("serving etcd on {address}");
    let change = changes.next().await?;
    println!("somebody changed {}", String::from_utf8_lossy(&change.key()[..]));
    store.stop().await;
    Ok(())
}
