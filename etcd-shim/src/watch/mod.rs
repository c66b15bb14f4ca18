//! Watches: fed after commit from the effects of apply.
//!
//! Each RPC runtime has a [`Hub`] that owns the watchers of its connections. Apply puts each entry's effects into every
//! hub's bounded [`ring`]; the hub's task finds the watchers by key range ([`ranges`]), makes one encoding for all that
//! watch the same range, and never waits for any: a watcher whose stream is full, and all of them when the ring
//! overflows, fall back to reading history ([`catch_up`], at a [`pace`] that spares everybody else) and return to the
//! live set when they have caught up.
//!
//! Invariant: `next` is the lowest revision that a watcher has not been sent; a live watcher's `next` is above all
//! revisions that the hub has taken out of the ring, so nothing is sent twice and nothing falls between.

mod answers;
mod catch_up;
mod hub;
mod pace;
mod ranges;
mod ring;
mod stream;
mod watcher;

pub use answers::Answers;
pub use hub::{Hub, HubConfig};
pub use ring::Ring;
pub use stream::serve;
