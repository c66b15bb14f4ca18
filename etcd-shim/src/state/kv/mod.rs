//! Reads of the key space, the checks of requests, and what is left to do after a compaction.
//!
//! - [`range`]: reads, in apply (within a transaction) and beside it; [`collect`]: their walk over the index, in steps;
//!   [`range_request`]: what the fields of a range request mean; [`hash`]: HashKV; [`history_pass`]: the hashes by
//!   which replicas find the first revision at which they differ
//! - [`validate`]: checks that need no state; [`txn_path`]: the branches that a transaction takes;
//!   [`txn_check`]: checks its operations against the state; [`txn_reads`]: transactions that only read
//! - [`fetched_rows`], [`needed_rows`]: values that only the disk has, read before the lock is taken; [`store_reads`]:
//!   the Worker for reads that may have to wait for the disk
//! - [`history`]: past changes, read from the rows; [`changes`]: the changes of a range of keys, found by the index
//! - [`janitor`]: drops the rows that compaction freed

pub(crate) mod changes;
pub(crate) mod collect;
pub(crate) mod fetched_rows;
pub(crate) mod hash;
pub(crate) mod history;
pub(crate) mod history_pass;
pub(crate) mod janitor;
pub(crate) mod needed_rows;
pub(crate) mod range;
mod range_request;
pub(crate) mod store_reads;
pub(crate) mod txn_check;
pub(crate) mod txn_path;
pub(crate) mod txn_reads;
pub(crate) mod validate;
