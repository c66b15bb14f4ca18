//! [`RecoverError`]: why nothing was recovered.

use naxos_engines::base::UnknownEngine;
use naxos_engines::local_store::StoreError;
use naxos_engines::stack::StackError;
use naxos_log_server::OpenError;
use naxos_proto::codec::DecodeError;
use naxos_proto::ids::{LogId, Lsn};
use naxos_proto::release::NewerCluster;

/// Why the recovery has failed. The directories of the survivors are unchanged. There is one exception: if
/// `--force-new-cluster` has failed to move the complete directory to its place, the next start goes on with the move.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// A directory cannot be opened. The fields are its name and the reason.
    #[error("{0}: {1}")]
    Open(String, OpenError),
    /// The local store in a directory cannot be opened.
    #[error("{0}: {1}")]
    Store(String, StoreError),
    /// The cluster of a directory has a version that this build does not understand.
    #[error("{0}: {1}")]
    Newer(String, NewerCluster),
    /// An engine is on that this program does not have.
    #[error("{0}: {1}")]
    Engine(String, UnknownEngine),
    /// The chain in a directory does not decode.
    #[error("{0}: the chain in its register cannot be read: {1}")]
    Chain(String, DecodeError),
    /// A directory has no log.
    #[error("{0}: it knows no log yet: expected the directory of a member that has served")]
    NoLog(String),
    /// Two directories are of different logs.
    #[error(
        "{one} has the log {:016x}, {other} has the log {:016x}: expected the directories of members of one cluster",
        .log.0, .other_log.0
    )]
    OtherCluster {
        /// The first directory.
        one: String,
        /// Its log.
        log: LogId,
        /// Another directory.
        other: String,
        /// The log of that one.
        other_log: LogId,
    },
    /// The member of the directory was removed from the cluster.
    #[error("{0}: its member was removed from the cluster, expected the directory of a present member")]
    Removed(String),
    /// The member is not in the log yet, so its name and URLs are not known.
    #[error("{0}: it does not know its member's name and peer URLs: give --name and --initial-advertise-peer-urls")]
    Unnamed(String),
    /// The place for the new directory has something in it.
    #[error("--to {0}: it is not empty (it has {1:?}), expected an empty directory or one that is not there yet")]
    NotEmpty(String, String),
    /// There is no room for the new directory.
    #[error("{free} bytes are free for the new directory, {needed} are needed")]
    NoRoom {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A call to the operating system failed. The fields are the file and the reason.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// The new directory cannot be made. Its folder `recovery` is left over.
    #[error("the new directory cannot be made: {0}")]
    New(#[from] OpenError),
    /// The local store of the new directory cannot be written.
    #[error("the local store of the new directory: {0}")]
    NewStore(#[from] StoreError),
    /// The replicated objects in the local store cannot be read.
    #[error("the replicated objects in the local store cannot be read: {0}")]
    Objects(#[from] DecodeError),
    /// The log cannot be applied.
    #[error(transparent)]
    Replay(#[from] StackError),
    /// The file `recovered` is damaged.
    #[error("the file \"recovered\" of the data directory is damaged: {0}; restore it from a backup")]
    Recovered(String),
    /// The quorum is not lost. The field is the peer URL of a member that has one.
    #[error(
        "--force-new-cluster: the member at {0} answers and has a quorum, expected a cluster that has lost it: start without \
         this flag"
    )]
    HasQuorum(String),
    /// The log has commands that only the program that wrote them can apply.
    #[error(
        "the entry at {0} has a command of a program's own state machine: expected that program, opened with \
         `flag(\"force-new-cluster\", \"true\")`"
    )]
    OwnCommand(Lsn),
    /// A program that lists several nodes opens a directory that is to become a store of one.
    #[error(
        "--force-new-cluster makes a store of one node, and the list names {0}: expected no list, or `.peers(0, [url])` \
         with the URL of this node alone. Nothing was changed"
    )]
    Several(usize),
    /// A thread panicked.
    #[error("a thread of the recovery has panicked; its message says why")]
    Lost,
}
