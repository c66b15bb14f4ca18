//! The etcd state machine: multi-version key space, leases, alarms, members. Its state depends on the log alone.
//!
//! The modules, from the lowest floor up (a module imports only from its own floor and from those below it):
//!
//! - [`error`]: etcd's refusals; [`effects`]: what each revision changed, for the watches
//! - [`index`]: the index of the key space; [`lease`]: leases and their keeper
//! - [`rows`]: the rows in the local store; [`versions`]: the version of the cluster; [`command`]: the commands that travel
//!   in the log; `command_cost`: how long apply takes for one; [`seats`]: the data directories of the members;
//!   [`store`]: one key space in memory; [`rebuild`]: builds it from its rows; [`kept`]: reads only the members, the version and the revision
//! - [`own`]: a program's own state machine beside etcd's; [`answer`]: what a command answers
//! - [`kv`]: reads, checks, history, compaction
//! - [`apply`]: applies commands

mod answer;
pub(crate) mod apply;
pub mod command;
mod command_cost;
pub mod effects;
pub mod error;
pub(crate) mod index;
pub(crate) mod kept;
pub(crate) mod kv;
mod lease;
pub(crate) mod own;
mod rebuild;
pub(crate) mod rows;
pub(crate) mod seats;
pub(crate) mod store;
pub(crate) mod versions;

pub use answer::{Answer, Outcome};
pub use apply::{Listener, Machine};
pub use command::{Command, Recover};
pub use effects::{Effect, Effects};
pub use error::EtcdError;
pub use lease::{Keeper, Lease};
pub use own::{Applicator, Applied, Keys, Refused, RowSpace, Rows, View};
pub use rebuild::Rebuild;
pub use store::SharedStore;
pub use versions::Announced;
