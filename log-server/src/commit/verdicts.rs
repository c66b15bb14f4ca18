//! [`Verdicts`]: which commands of a batch are refused because room is short. [`Needs`]: how much room the commands
//! take.

use naxos_proto::contracts::UnitError;

use crate::commit::Command;

/// What a batch may still write. For each kind of command there is an error, or `None` if the commands are accepted.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    /// The error for stores.
    pub(super) stores: Option<UnitError>,
    /// The error for metadata other than the raft log.
    pub(super) metadata: Option<UnitError>,
    /// The error for changes of the MetaStore's raft log.
    pub(super) raft: Option<UnitError>,
    /// Whether the batch begins a segment.
    pub(super) rolled: bool,
}

impl Verdicts {
    /// Why `command` is refused, if it is.
    pub(crate) fn refusal(&self, command: &Command) -> Option<&UnitError> {
        let refusal = match command {
            raft if raft.is_raft() => &self.raft,
            metadata if metadata.is_metadata() => &self.metadata,
            _ => &self.stores,
        };
        refusal.as_ref()
    }
}

/// How many bytes the commands of a batch take, for each kind of command.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    pub(super) stores: u64,
    pub(super) metadata: u64,
    pub(super) raft: u64,
}

impl Needs {
    pub(super) fn of(commands: &[Command]) -> Self {
        let mut needs = Needs::default();
        for command in commands {
            let sum = match command {
                raft if raft.is_raft() => &mut needs.raft,
                metadata if metadata.is_metadata() => &mut needs.metadata,
                _ => &mut needs.stores,
            };
            *sum += command.cost().bytes;
        }
        needs
    }

    pub(super) fn all(self) -> u64 {
        self.stores + self.metadata + self.raft
    }
}
