//! Sends random requests to Naxos and to a real etcd. The answers must be equal.
//!
//! One seed decides every request. Each request goes to both servers, and the next request goes out when both have
//! answered, so that their revisions agree. Watches run at the same time and are compared event by event now and then.
//! Each of these comparisons first writes into each watched range: when a watcher has seen that write, it has seen
//! everything before it.
//!
//! - [`dice`]: the random choices; [`request`], [`generate`], [`transactions`]: the requests
//! - [`compared_server`]: one of the two servers; [`answer`]: its answers, reduced to the part that must be equal
//! - [`watch_stream`], [`watches`], [`event_judge`]: watchers, and how two servers' events are compared
//! - [`run`]: the loop; [`scenarios`]: cases that random requests would not reach

pub mod answer;
pub mod compared_server;
pub mod dice;
pub mod event_judge;
pub mod generate;
mod parts;
pub mod request;
pub mod run;
pub mod scenarios;
pub mod transactions;
pub mod watch_stream;
pub mod watches;
