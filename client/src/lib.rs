//! The shared log as a library.
//!
//! - [`shared_log`]: the contract that engines build on
//! - [`loglet`]: the contract of the log of one segment; [`loglets`]: its implementations, memory, native and Corfu; `suite`:
//!   tests that every loglet must pass (feature `sim`)
//! - [`VirtualLog`]: a log that consists of a chain of loglets. The MetaStore keeps the chain. The log can be
//!   reconfigured while it is in use (Delos, OSDI'20)
//! - [`streams`]: a handle for programs that use a log directly, and the streams of such a log
//! - `reconfigure`: reads and changes the chain in the MetaStore; `append_gate`: keeps appends in order meanwhile
//!
//! A log in memory, for tests. The documentation of [`VirtualLog`] opens one on a storage unit.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use naxos_client::loglets::MemoryProvider;
//! use naxos_client::streams::Log;
//! use naxos_client::{Liveness, MemoryMetaStore, VirtualLog, VirtualLogConfig, VirtualLogParts};
//! use naxos_proto::chain::LogletKind;
//! use naxos_proto::ids::{Boot, Incarnation, LogId, Lsn, StorageId};
//! use naxos_proto::seams::{BootClock, OsEntropy};
//! use tokio::sync::watch;
//!
//! // This process is the only one. It is also the sequencer, which gives out the positions.
//! let own = Incarnation { storage: StorageId(1), boot: Boot(1) };
//! let (_alive, alive) =
//!     watch::channel(Liveness { sequencers: vec![own], units: Vec::new(), silent: Vec::new(), units_min: 0 });
//! let parts = VirtualLogParts {
//!     config: VirtualLogConfig {
//!         log: LogId(7),
//!         kind: LogletKind::MEMORY,
//!         begin: Lsn::ZERO,
//!         takeover_after: Duration::from_millis(200),
//!     },
//!     meta: Arc::new(MemoryMetaStore::default()),
//!     providers: vec![Arc::new(MemoryProvider::default())],
//!     alive,
//!     clock: Arc::new(BootClock),
//!     entropy: Arc::new(OsEntropy),
//! };
//! let log = Log::new(VirtualLog::start(parts).await?);
//! let position = log.append("hello").await?;
//! let (entries, _) = log.read(position, log.tail().await?, 1 << 20).await?;
//! assert_eq!(entries[0].body, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

mod append_gate;
pub mod failure;
pub mod loglet;
pub mod loglets;
mod memory_meta;
mod reconfigure;
pub mod shared_log;
pub mod streams;
#[cfg(feature = "sim")]
pub mod suite;
mod virtual_log;

pub use loglet::{Liveness, Loglet, LogletError, LogletProvider, Prepared};
pub use memory_meta::MemoryMetaStore;
pub use reconfigure::ReconfigureError;
pub use shared_log::{LogError, Record, SharedLog};
pub use virtual_log::{Reconfigured, SegmentCopies, UnitsChanged, VirtualLog, VirtualLogConfig, VirtualLogParts};

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
