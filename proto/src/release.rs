//! [`ClusterVersion`]: which new formats the nodes of a cluster may write (`docs/adr/0009-cluster-version.md`).
//!
//! Each release understands the cluster versions up to [`ClusterVersion::NEWEST`]. Each addition to the log, to the
//! journal or to the chain belongs to the cluster version that brought it. The addition is written only when the
//! cluster has that version. The cluster gets the version only after all members have announced that they understand
//! it. Until then the previous release can still start on the same data.
//!
//! # The next release
//!
//! The test of rolling upgrades needs a binary that understands more than this release. With the cargo feature
//! `next-release` the same sources build one: it announces the next version, and from that version on it writes each
//! put, each cell of the journal and each new loglet under a number that this release does not know. No flag and no
//! configuration turn that on in a binary that was built without the feature.

use std::fmt;

/// Whether this is the newer build to which the test of rolling upgrades moves the members.
pub const IS_NEXT_RELEASE: bool = cfg!(feature = "next-release");

/// A version on which the members of a cluster have agreed, or which a release understands. Versions are not those of
/// etcd, nor those of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterVersion(pub u32);

impl ClusterVersion {
    /// The version with which every cluster begins.
    pub const FIRST: Self = Self(1);
    /// The version of the additions of the next release; see the module.
    const NEXT: Self = Self(2);
    /// The highest version that this build understands.
    pub const NEWEST: Self = if IS_NEXT_RELEASE { Self::NEXT } else { Self::FIRST };

    /// Whether the additions of the next release are written in a cluster with this version. Never in a build without
    /// the feature.
    pub fn has_next(self) -> bool {
        IS_NEXT_RELEASE && self >= Self::NEXT
    }
}

impl Default for ClusterVersion {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for ClusterVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A cluster has a version that a program does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cluster has version {cluster}, and this program understands versions up to {understood}: start a newer program, \
     one that understands version {cluster}; the cluster cannot go back to an older version"
)]
pub struct NewerCluster {
    /// The version of the cluster.
    pub cluster: ClusterVersion,
    /// The highest version that the program understands.
    pub understood: ClusterVersion,
}

impl ClusterVersion {
    /// Refuses a version that this build does not understand.
    pub fn check(self) -> Result<(), NewerCluster> {
        self.check_for(Self::NEWEST)
    }

    /// Refuses a version that a program does not understand. `understood` is the highest version that it understands.
    pub fn check_for(self, understood: ClusterVersion) -> Result<(), NewerCluster> {
        if self <= understood { Ok(()) } else { Err(NewerCluster { cluster: self, understood }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_above_the_newest_is_refused_with_both_versions() {
        assert_eq!(ClusterVersion::NEWEST.check(), Ok(()));
        let newer = ClusterVersion(ClusterVersion::NEWEST.0 + 1);
        let refused = newer.check().unwrap_err().to_string();
        assert!(refused.contains(&format!("has version {newer}")), "{refused}");
        assert!(refused.contains(&format!("up to {}:", ClusterVersion::NEWEST)), "{refused}");
    }

    #[test]
    fn a_release_writes_nothing_of_the_next_one() {
        for version in [ClusterVersion::FIRST, ClusterVersion(2), ClusterVersion(u32::MAX)] {
            assert_eq!(version.has_next(), IS_NEXT_RELEASE && version > ClusterVersion::FIRST);
        }
    }
}
