//! A durable store inside a program: put, get, a transaction and a watch.
//!
//! Run it with `cargo run -p naxos --example store -- ./data`. If you run it again, the key
//! `color/sea` is there already.

use naxos::{Condition, Keys, Naxos};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), naxos::Error> {
    run(std::env::args().nth(1).unwrap_or_else(|| "./data".to_owned())).await
}

/// Opens the store in `folder` and uses it.
pub(crate) async fn run(folder: String) -> Result<(), naxos::Error> {
    let store = Naxos::open(folder).await?;
    let mut changes = store.watch(Keys::prefix("color/")).await?;
    store.put("color/sky", "blue").await?;
    let sky = store.get("color/sky").await?.expect("it was put");
    let sea = store.txn().when(Condition::is_missing("color/sea")).put("color/sea", "green").commit().await?;
    println!("the sky is {:?}, put {} times; the sea is new: {}", sky.value, sky.version, sea.succeeded);
    println!("the first change: {:?}", changes.next().await?);
    store.stop().await;
    Ok(())
}
