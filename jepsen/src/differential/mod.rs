//! Random requests to a server and to a real etcd: the answers must be equal.
//!
//! One seed decides everything that is asked. Requests go to both servers one after the other, so that revisions
//! agree; watches run beside them and are compared event by event at checkpoints, where a write into each watched
//! range shows that a watcher has seen all that came before.
//!
//! - [`dice`]: the seeded choices; [`request`], [`generate`], [`transactions`]: what is asked
//! - [`peer`]: one of the two servers; [`answer`]: what it answered, reduced to what must be equal
//! - [`watch_stream`], [`watches`]: watchers, and how two servers' events are compared
//! - [`run`]: the loop; [`scenarios`]: what chance alone would not find

pub mod answer;
pub mod dice;
pub mod generate;
mod parts;
pub mod peer;
pub mod request;
pub mod run;
pub mod scenarios;
pub mod transactions;
pub mod watch_stream;
pub mod watches;
