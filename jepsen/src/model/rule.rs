//! [`Rule`]: the rules that the model can leave out, to see that each is needed.

/// A rule of the replicated log. The numbers are those of `docs/design.md`, section 7, or those of "A cluster"
/// in `docs/protocol.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Design 1: a unit that tells its tail reads the tail first and its seal bit after it.
    TailFirstSealSecond,
    /// Design 2: the chain ends a segment; what a unit holds beyond the end is invisible.
    ChainEndsSegments,
    /// Design 3: a seal quorum meets every write quorum.
    SealMeetsWrites,
    /// Design 3: a tail-check quorum meets every seal quorum, too.
    TailCheckMeetsSeals,
    /// Design 4: a loglet has one incarnation of its sequencer.
    OneIncarnation,
    /// Design 5: a seal is durable before it is acknowledged.
    SealIsDurable,
    /// Design 5: a dropped loglet stays sealed.
    DroppedStaysSealed,
    /// Design 6: a tail check asks a quorum.
    TailCheckAsksQuorum,
    /// Design 13: a unit whose disk was wiped answers nobody under its old name.
    WipedIsNobody,
    /// Cluster 1: `same` from a sealed unit is no acknowledgement.
    SameIsNoAcknowledgement,
    /// Cluster 2: an offset is given out once, even if a store of it was refused.
    OffsetIsGivenOnce,
    /// Cluster 3: a tail that a unit tells is durable.
    ToldTailIsDurable,
    /// Cluster 3: nothing is concluded from a tail that is told with the seal bit.
    SealedTailConcludesNothing,
    /// Cluster 3: a told tail answers no tail check, because it may be older than the question.
    ToldTailAnswersNoCheck,
    /// Cluster 5: a tail check waits until everything below the highest tail that it found is known to be on a write
    /// quorum.
    TailCheckWaits,
    /// Cluster 9: a repair store is refused where the cell before is missing, and carries no known tail.
    RepairLeavesNoGap,
    /// Cluster 9: the cells below the end are copied before the end is installed.
    RepairBeforeInstall,
    /// Cluster 10: if an append was in flight at a seal, only the installed end decides whether it is done.
    ChainSettles,
    /// Cluster 13: a node whose disk was restored from an old copy counts nowhere.
    RestoredIsNobody,
    /// Cluster 14: a sequencer that starts again within its process gets a new boot.
    StartRaisesBoot,
}
