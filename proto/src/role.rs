//! [`Role`]: which parts of Naxos a process runs.

use crate::ids::StorageId;
use crate::seams::Entropy;

/// What runs on a data directory. The directory keeps its role for ever: the storage id says it, so whoever knows the id of
/// a directory knows its role, also while its process is away.
///
/// In the id of a directory on which only a part of Naxos runs, the highest 16 bits are a mark, and the other bits are
/// drawn at random. In the id of a whole node all bits are random, but the highest 16 are none of the three marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// A whole node: a storage unit, a replica of the MetaStore, a sequencer, and etcd's API on the replayed log.
    #[default]
    Node,
    /// A storage unit and a replica of the MetaStore (`naxos log-server`).
    LogServer,
    /// A sequencer (`naxos sequencer`).
    Sequencer,
    /// etcd's API on the replayed log (`naxos front-end`).
    FrontEnd,
}

/// The place of the mark in a storage id.
const MARK_SHIFT: u32 = 48;
/// The marks: two ASCII letters each.
const MARKS: [(Role, u64); 3] = [(Role::LogServer, 0x4c53), (Role::Sequencer, 0x5351), (Role::FrontEnd, 0x4645)];

impl Role {
    /// The role of a data directory.
    pub fn of(storage: StorageId) -> Role {
        let mark = storage.0 >> MARK_SHIFT;
        MARKS.iter().find(|(_, of_role)| *of_role == mark).map_or(Role::Node, |(role, _)| *role)
    }

    /// Makes the id of a whole node's data directory from a number that is as good as random. The same number gives the same id.
    pub fn id_of_node(number: u64) -> StorageId {
        let is_marked = Role::of(StorageId(number)) != Role::Node;
        StorageId(if is_marked { number ^ (1 << 63) } else { number })
    }

    /// Draws the id of a new data directory with this role. It is never zero.
    pub fn draw(self, entropy: &dyn Entropy) -> StorageId {
        let mark = MARKS.iter().find(|(role, _)| *role == self).map(|(_, mark)| mark << MARK_SHIFT);
        loop {
            let drawn = entropy.id();
            let storage = StorageId(mark.map_or(drawn, |mark| mark | (drawn << 16 >> 16)));
            if Role::of(storage) == self {
                return storage;
            }
        }
    }

    /// Whether a loglet may have a unit on the directory, and the MetaStore may have a voter there.
    pub fn has_unit(self) -> bool {
        matches!(self, Role::Node | Role::LogServer)
    }

    /// Whether loglets may have their sequencer there.
    pub fn has_sequencer(self) -> bool {
        matches!(self, Role::Node | Role::Sequencer)
    }

    /// Whether the log is replayed there, so that clients of etcd's API can be served.
    pub fn has_state(self) -> bool {
        matches!(self, Role::Node | Role::FrontEnd)
    }

    /// The word of the command line that starts a process with this role. `None` for a whole node, which needs none.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Role::Node => None,
            Role::LogServer => Some("log-server"),
            Role::Sequencer => Some("sequencer"),
            Role::FrontEnd => Some("front-end"),
        }
    }

    /// The role that a word of the command line names.
    pub fn from_word(word: &str) -> Option<Role> {
        MARKS.iter().map(|(role, _)| *role).find(|role| role.word() == Some(word))
    }

    /// The command that starts a process with this role, for messages.
    pub fn command(self) -> &'static str {
        match self {
            Role::Node => "naxos",
            Role::LogServer => "naxos log-server",
            Role::Sequencer => "naxos sequencer",
            Role::FrontEnd => "naxos front-end",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::seams::sim::SeededEntropy;

    use super::*;

    const ALL: [Role; 4] = [Role::Node, Role::LogServer, Role::Sequencer, Role::FrontEnd];

    #[test]
    fn a_drawn_id_says_its_role() {
        let entropy = SeededEntropy::new(7);
        let mut drawn = BTreeSet::new();
        for role in ALL {
            for _ in 0..100 {
                let storage = role.draw(&entropy);
                assert_eq!(Role::of(storage), role);
                drawn.insert(storage);
            }
        }
        assert_eq!(drawn.len(), 400);
        assert_eq!(Role::of(StorageId(1)), Role::Node);
    }

    #[test]
    fn no_number_gives_a_whole_node_a_marked_id() {
        assert_eq!(Role::id_of_node(7), StorageId(7));
        for role in ALL {
            let StorageId(marked) = role.draw(&SeededEntropy::new(3));
            assert_eq!(Role::of(Role::id_of_node(marked)), Role::Node);
        }
    }

    #[test]
    fn each_role_runs_a_part_and_each_word_is_read() {
        for role in ALL {
            assert!(role.has_unit() || role.has_sequencer() || role.has_state());
            assert_eq!(role.word().map_or(Some(Role::Node), Role::from_word), Some(role));
        }
        assert_eq!(Role::from_word("node"), None);
    }
}
