//! Clusters of real processes, clients that write through all members and watch on each of them, and what happens to the
//! members meanwhile.
//!
//! - [`mixed`](mixed::run): one member after the other is hit by a fault
//! - [`Writer`]: a client that uses all members
//! - [`Watcher`]: a client that watches through one member; after each failure it goes on from the revision that it had reached
//! - [`away`]: a member is away until the others have trimmed the entries that it has not applied
//! - [`wiped`], [`two_of_five_wiped`]: members lose their disks
//! - [`grown`]: members are added to a cluster of one, one is promoted, the leader is moved, and one is removed
//! - [`shrunk`]: a member leaves while another one is down
//! - [`kinds`]: the kind of the loglets is changed again and again
//! - [`switched`]: each engine is turned off and on again and again, while a member is restarted now and then
//! - [`differing`]: the state of one of three members differs from that of the others
//! - [`hung`]: the disk of a member hangs
//! - [`bridged`]: two of three members do not hear each other, and the third hears both
//! - [`copied`]: old and cloned data directories, and a start without a majority
//! - [`strangers`]: processes and calls that do not belong to the cluster
//! - [`leaderless`]: two of three members are away for a while
//! - [`upgraded`]: a newer program is rolled in, rolled back and rolled in again
//! - [`recovered`], [`forced`]: two of three members are destroyed, and the third goes on alone
//! - [`refounded`]: two of three members lose their disks and begin a new cluster, while the third stands still
//! - [`parted`]: log servers, sequencers and front ends on machines of their own
//! - [`woken`], [`kept_lease`], [`unrenewable_lease`], [`compacted_txn`]: faults that users have reported for etcd, tried on Naxos
//! - From the benchmarks: [`Cluster`](naxos_benches::servers::Cluster) with its faults, and
//!   [`Gaps`](naxos_benches::cluster::gaps::Gaps), how long no write succeeded

mod away;
mod bridged;
mod compacted_txn;
mod copied;
mod copy_directory;
mod differing;
mod grown;
mod hung;
mod kept_lease;
mod kinds;
mod leaderless;
mod members;
pub mod mixed;
mod parted;
mod recovered;
mod refounded;
mod shrunk;
mod strangers;
mod switched;
mod unrenewable_lease;
mod upgraded;
mod watcher;
mod wiped;
mod woken;
mod writer;
mod writers;

pub use away::away;
pub use bridged::bridged;
pub use compacted_txn::compacted_txn;
pub use copied::copied;
pub use differing::differing;
pub use grown::grown;
pub use hung::hung;
pub use kept_lease::kept_lease;
pub use kinds::kinds;
pub use leaderless::leaderless;
pub use parted::parted;
pub use recovered::{forced, recover, recovered};
pub use refounded::refounded;
pub use shrunk::shrunk;
pub use strangers::strangers;
pub use switched::switched;
pub use unrenewable_lease::unrenewable_lease;
pub use upgraded::upgraded;
pub use watcher::Watcher;
pub use wiped::{two_of_five_wiped, wiped};
pub use woken::woken;
pub use writer::Writer;

use crate::etcd_server::EtcdServer;

/// The names of the members. A cluster has at most as many members as there are names.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// The client URLs of all members.
fn urls_of(members: &[EtcdServer]) -> Vec<String> {
    members.iter().map(|member| member.client_url().to_owned()).collect()
}

/// Starts all members at once: each waits for a majority of them.
///
/// # Errors
/// If one of them does not serve.
pub fn start_all(members: &mut [EtcdServer]) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let starts: Vec<_> = members.iter_mut().map(|member| scope.spawn(|| member.try_start())).collect();
        starts.into_iter().try_for_each(|start| match start.join() {
            Ok(outcome) => outcome.map_err(anyhow::Error::msg),
            Err(_) => anyhow::bail!("the thread that starts a member panicked"),
        })
    })
}
