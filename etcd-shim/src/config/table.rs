//! The flags of etcd 3.6, and those that only Naxos has, in the groups of `--help`. Command line, environment,
//! configuration file and help all use these tables.

use super::flag::Flag;
use super::{table_cluster, table_features, table_member, table_security};

/// A headline of `--help` and the flags below it.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The headline.
    pub title: &'static str,
    /// Its flags.
    pub flags: &'static [Flag],
}

/// All groups, in the order of `--help`.
pub const GROUPS: [Group; 9] = [
    Group { title: "Member", flags: table_member::MEMBER },
    Group { title: "Clustering", flags: table_cluster::CLUSTERING },
    Group { title: "Security", flags: table_security::SECURITY },
    Group { title: "Auth", flags: table_security::AUTH },
    Group { title: "Monitoring", flags: table_features::MONITORING },
    Group { title: "Logging", flags: table_features::LOGGING },
    Group { title: "Features", flags: table_features::FEATURES },
    Group { title: "Old names", flags: table_features::OLD },
    Group { title: "Other", flags: table_features::OTHER },
];

/// Every flag.
pub fn flags() -> impl Iterator<Item = &'static Flag> {
    GROUPS.iter().flat_map(|g| g.flags.iter())
}

/// The flag with this name.
pub fn find(name: &str) -> Option<&'static Flag> {
    flags().find(|f| f.name == name)
}
