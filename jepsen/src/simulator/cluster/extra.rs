//! [`Extra`]: what else happens in a run, besides the faults that each run has.

/// One of the things that not every run has. In some seeds it comes too late, or its conditions are never met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// A member loses its disk, and comes back with an empty one.
    Lost,
    /// An old copy takes the place of a member's disk.
    OldCopy,
    /// A member is added, promoted and removed, and the lead moves.
    Newcomer,
    /// A bit of a member's disk flips.
    Rot,
    /// A second process starts on a clone of a member's disk, at another address.
    Twin,
    /// Log servers, sequencers and front ends run on hosts of their own.
    Parts,
}

impl Extra {
    /// All of them.
    pub const ALL: [Extra; 6] = [Extra::Newcomer, Extra::Lost, Extra::OldCopy, Extra::Rot, Extra::Twin, Extra::Parts];

    /// The name of the flag of `naxos-simulate`, with its dashes.
    pub fn flag(self) -> &'static str {
        match self {
            Extra::Lost => "--lose-disk",
            Extra::OldCopy => "--old-copy",
            Extra::Newcomer => "--newcomer",
            Extra::Rot => "--rot",
            Extra::Twin => "--twin",
            Extra::Parts => "--parts",
        }
    }

    /// Whether both may be in one run. The disk of a removed member may be emptied before the MetaStore has taken
    /// its vote away. If the disk of another member forgets something at that time, two of four votes are gone, and no
    /// cluster survives that. Newcomers and twins are whole nodes, and a run of parts has no whole nodes.
    pub fn goes_with(self, other: Extra) -> bool {
        let forgets = |extra| matches!(extra, Extra::Lost | Extra::OldCopy | Extra::Rot);
        let is_whole = |extra| matches!(extra, Extra::Newcomer | Extra::Twin);
        let clashes = |one: Extra, another| match one {
            Extra::Newcomer => forgets(another),
            Extra::Parts => is_whole(another),
            _ => false,
        };
        !clashes(self, other) && !clashes(other, self)
    }

    /// How many members the cluster must have.
    pub fn members_min(self) -> u8 {
        match self {
            // A node that is alone has no other to get its data from, and nobody to join.
            Extra::Lost | Extra::Newcomer | Extra::Parts => 2,
            // The others must be a quorum without the member.
            Extra::OldCopy | Extra::Rot | Extra::Twin => 3,
        }
    }
}
