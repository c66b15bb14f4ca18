//! Watches. After each commit, apply hands the effects of its entry to them.
//!
//! Each RPC runtime has a [`Hub`] that owns the watchers of its connections. A watcher is in one of two states:
//!
//! - *Live*: apply puts the effects of each entry into the bounded [`ring`] of every hub. The hub's task finds the
//!   watchers of each changed key ([`ranges`]) and encodes the events once for all watchers that want the same
//!   ([`packet`]). It never waits for a watcher. A watcher falls behind when its stream is full, and all watchers fall
//!   behind when the ring overflows.
//! - *Behind*: the watcher reads history ([`catch_up`]), at a [`pace`] that leaves the cores to other work. It is live
//!   again when it has been sent everything that the hub has taken out of the ring.
//!
//! A revision is *done* for a watcher when every event in it was sent to the watcher, or the watcher did not want it.
//! Invariant: each watcher has a revision `next`, and all revisions below `next` are done.
//!
//! For a live watcher, all revisions that the hub has taken out of the ring are done. But its `next` moves only when an
//! event is sent, so `next` may be lower than it could be. So when the watcher falls behind, its `next` is raised to the
//! first revision that is not done. Thus nothing is sent twice, nothing is lost, and no watcher reads history that is
//! done.

mod answers;
mod catch_up;
mod hub;
mod pace;
mod packet;
mod piece;
mod ranges;
mod ring;
mod stream;
mod watcher;

pub use answers::Answers;
pub use hub::{Hub, HubConfig};
pub use ring::Ring;
pub use stream::serve;
