//! The contracts between processes (`docs/design.md`, section 3): the storage unit, the sequencer, the MetaStore,
//! snapshots, heartbeats, the keeper of leases, the comparison of replicas, the founding of a cluster, and joining.
//!
//! Within one process they are called as `Arc<dyn ...>`, with no copy and no socket. Between nodes the unit, the
//! sequencer, the replicas of the MetaStore, snapshots, heartbeats, the keeper of leases, the comparison of replicas, the
//! seats of a founding and joining are called through the gRPC adapters in `peer` (feature `peer`).

mod checksums;
mod founding;
mod founding_codec;
mod heartbeat;
mod joining;
mod lease_keeper;
mod meta_store;
mod refusal;
mod sequencer;
mod snapshots;
mod start_mark;
mod storage_unit;
mod synced_batches;

pub use checksums::{ChecksumMark, Checksums, ChecksumsError, HistoryHashes, MARKS_TOLD_MAX, REVISIONS_ASKED_MAX};
pub use founding::{
    Ballot, FOUNDING_SEATS_MAX, Founder, Founding, FoundingAnswer, FoundingDirectory, FoundingRefusal, FoundingReply,
    FoundingRequest, FoundingRuleBroken, FoundingStep, FoundingUnanswered, FoundingValue,
};
pub use founding_codec::{put_accepted, take_accepted};
pub use heartbeat::{Beat, Heartbeat, HeartbeatError};
pub use joining::{ClusterView, Join, JoinError, Joining, ListedMember};
pub use lease_keeper::{LeaseKeeper, LeaseKeeperError, LeaseTime};
pub use meta_store::{MetaError, MetaStore, PutOutcome, Versioned};
pub use refusal::Refusal;
pub use sequencer::{AppendError, OnGrant, Sequencer, SequencerDirectory};
pub use snapshots::{Manifest, SnapshotError, Snapshots};
pub use start_mark::StartMark;
pub use storage_unit::{
    APPEND_BYTES_MAX, Cell, CellOutcome, CellState, Followed, HELD_RANGES_MAX, LocalTail, Purpose, Shape, StorageUnit,
    Store, Stored, TailReaches, UnitDirectory, UnitError, UnitParams,
};
pub use synced_batches::SyncedBatches;
