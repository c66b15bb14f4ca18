//! The floor servers, which show the least that a server can cost. One does nothing, the other only makes puts and
//! Txns durable.
//!
//! Both are tonic on one current-thread runtime per core. Their answers are prepared in advance; they keep no keys.

mod committer;
mod lanes;
mod service;
mod watches;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::load::cores;
use committer::Committer;
use service::Floor;

/// The server that does nothing.
#[derive(Debug, clap::Args)]
pub struct NothingArgs {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
}

/// The server that only makes each put and Txn durable.
#[derive(Debug, clap::Args)]
pub struct DurableArgs {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Folder of its one file.
    #[arg(long)]
    data_dir: PathBuf,
    /// Least time between the beginnings of two syncs. A call that is alone skips this wait if the last sync also
    /// covered only one call.
    #[arg(long, default_value = "250us", value_parser = humantime::parse_duration)]
    pace: Duration,
}

/// Serves until killed.
pub fn serve_nothing(args: &NothingArgs) -> Result<bool> {
    let floors = (0..cores()).map(|_| Floor::nothing()).collect();
    lanes::serve(args.listen, floors)
}

/// Serves until killed.
pub fn serve_durable(args: &DurableArgs) -> Result<bool> {
    let (committer, inboxes) = Committer::start(&args.data_dir, args.pace, cores())?;
    let floors = inboxes.into_iter().enumerate().map(|(lane, inbox)| Floor::durable(committer.lane(lane), inbox));
    lanes::serve(args.listen, floors.collect())
}
