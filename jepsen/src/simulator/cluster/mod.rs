//! The simulator of a cluster: several whole nodes, a network between them, their clients and many faults at a time.
//!
//! - [`run`]: one seed from start to end
//! - [`faults`]: all faults of a run; [`seat`]: those of one host, such as crashes and failing disks; [`links`]: those of
//!   the network
//! - [`extra`]: what not every run has; [`rot`]: flips a bit of a disk; [`twin`]: a process on a clone of a disk
//! - [`clients`]: what clients do during the faults; [`registrar`]: one that changes the members; [`pinned`]: one that stays
//!   with one node; [`converge`]: what must hold after the last fault
//! - [`observer`]: a client that watches with options; [`wish`]: these options; [`observed`]: what it must receive
//! - [`invariants`]: the rules that are checked after each step, by a look into all nodes
//! - [`reached`]: counts the rare events, and how often a node took a way to recover soon after a fault; [`matrix`]:
//!   shows the pairs of a fault and a way to recover; [`logged`]: finds some of the rare events in the log messages of
//!   the nodes

pub mod clients;
pub mod converge;
pub mod extra;
pub mod faults;
pub mod invariants;
pub mod links;
pub mod logged;
pub mod matrix;
pub mod observed;
pub mod observer;
pub mod pinned;
pub mod reached;
pub mod registrar;
pub mod rot;
pub mod run;
pub mod seat;
pub mod twin;
pub mod wish;
