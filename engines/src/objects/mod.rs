//! Replicated objects and transactions over the log (Tango, SOSP'13).
//!
//! [`ObjectsApply`] is the application of a [`Stack`](crate::stack::Stack), or a part of one, and [`Objects`] the handle for
//! ordinary tasks. [`ObjectsLog`] connects them. Every replica has all objects, in its local store, so restarts, checkpoints and snapshots are those of the
//! stack.
//!
//! An object has a name and one of eight types: [`Register`], [`Map`], [`Counter`], [`Set`], [`List`], [`Queue`],
//! [`Tree`], [`Index`]. Their methods return a [`Read`] or an [`Update`], which is then done alone or in a
//! [`Transaction`]:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use naxos_engines::objects::Decision;
//! # let store = naxos::Naxos::memory().await?;
//! # let objects = store.objects().await?;
//! let hits = objects.counter("hits").await?;
//! hits.add(1).commit().await?;
//! println!("{} hits", hits.get().linearizable().await?);
//!
//! let (jobs, running) = (objects.queue("jobs").await?, objects.set("running").await?);
//! let mut transaction = objects.begin().await?;
//! if let Some(job) = transaction.run(jobs.pop())? {
//!     transaction.write(running.add(job))?;
//! }
//! if let Decision::Aborted(why) = transaction.commit().await? {
//!     println!("another worker was faster: {why}");
//! }
//! # store.stop().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How a transaction is decided: its command in the log holds its writes, and the versions that the transaction has
//! read. Apply compares these versions with those of the state, which is the same on every replica at that position. If
//! one differs, or if a write is refused, nothing changes. Else the writes are done again, on that state. A key-value
//! type has a version for each key, and every object has one as a whole, for reads that depend on more than a key.
//!
//! Past changes are kept within bounds ([`History`]), for reads at earlier versions, for transactions that only read,
//! and for [`Subscription`]s.
//!
//! - [`command`]: the bytes in the log; [`rows`]: the bytes in the local store; [`write`](mod@write): one write to an
//!   object
//! - [`types`]: what each type does with its fields; [`fields`]: ways to read and change fields
//! - [`apply`]: decides commands; [`conflict`]: the rule for that
//! - [`tables`]: tables with secondary indexes over objects
//! - [`objects`], [`object`], [`read`], [`update`], [`transaction`], [`subscription`]: what callers use

mod abort_reason;
mod aborted;
mod apply;
mod change;
mod change_signal;
mod check_bytes;
mod check_path;
mod command;
mod commit_error;
mod committed;
mod conflict;
mod current;
mod decision;
mod draft;
mod failure;
mod fields;
mod history;
mod limit_error;
mod limits;
mod object;
mod object_id;
mod object_type;
#[expect(clippy::module_inception, reason = "the file of the type `Objects`")]
mod objects;
mod objects_log;
mod open_error;
mod open_refused;
mod output;
mod read;
mod read_error;
mod refused;
mod rows;
mod seen;
mod stack_log;
mod subscription;
mod subscription_error;
pub mod tables;
mod transaction;
mod transaction_error;
mod types;
mod unreadable;
mod update;
mod update_error;
mod version;
mod versioned;
mod write;

pub use abort_reason::AbortReason;
pub use aborted::Aborted;
pub use apply::{Applied, ObjectsApply};
pub use change::Change;
pub use change_signal::ChangeSignal;
pub use commit_error::CommitError;
pub use committed::Committed;
pub use decision::Decision;
pub use history::History;
pub use limit_error::LimitError;
pub use limits::{
    DEPTH_MAX, FIELDS_MAX, KEY_BYTES_MAX, LIST_LEN_MAX, NAME_BYTES_MAX, OBJECTS_MAX, OPERATIONS_MAX,
    REPLACED_BYTES_MAX, SCAN_MAX, TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use object::Object;
pub use object_id::ObjectId;
pub use object_type::ObjectType;
pub use objects::Objects;
pub use objects_log::ObjectsLog;
pub use open_error::OpenError;
pub use open_refused::OpenRefused;
pub use read::Read;
pub use read_error::ReadError;
pub use refused::Refused;
pub use stack_log::StackLog;
pub use subscription::Subscription;
pub use subscription_error::SubscriptionError;
pub use transaction::Transaction;
pub use transaction_error::TransactionError;
pub use types::counter::Counter;
pub use types::index::Index;
pub use types::list::List;
pub use types::map::Map;
pub use types::queue::Queue;
pub use types::register::Register;
pub use types::set::Set;
pub use types::tree::Tree;
pub use update::Update;
pub use update_error::UpdateError;
pub use version::Version;
pub use versioned::Versioned;
pub use write::Write;
