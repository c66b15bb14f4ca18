//! [`ApplyCost`]: how long apply takes for a proposal.

/// How long apply takes for a proposal, as its proposer knows. Only this process uses it, so it is not in the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyCost {
    /// It looks at a few rows.
    Small,
    /// It may take long, for example because a range of keys is deleted.
    Unknown,
}
