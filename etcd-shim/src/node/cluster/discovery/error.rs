//! [`DiscoveryError`]: why the members of the cluster cannot be found in the DNS.

/// Why the members of the cluster cannot be found in the DNS. Where etcd has words for it, a text begins with them.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The system does not say which DNS servers to ask.
    #[error("/etc/resolv.conf: expected the addresses of DNS servers: {0}")]
    NoServers(String),
    /// A peer URL of this member has no address. The fields are the URL and the reason.
    #[error("--initial-advertise-peer-urls: expected URLs whose hosts have addresses, found {0}: {1}")]
    NoAddress(String, String),
    /// There are no records that can be used. The texts say why, for each service.
    #[error("{}; expected SRV records of --discovery-srv that list the members", .0.join("; "))]
    NoRecords(Vec<String>),
    /// No record is this member's.
    #[error("cannot find local etcd member {name:?} in SRV records: expected a record with the address of one of {own}, \
        found {found}", own = .own.join(", "), found = .found.join(", "))]
    NotListed {
        /// This member's name.
        name: String,
        /// The URLs of `--initial-advertise-peer-urls`, with their addresses.
        own: Vec<String>,
        /// The URLs of the records with their addresses, and why some were left out.
        found: Vec<String>,
    },
    /// The records of this member are not those of its peer URLs.
    #[error(
        "the SRV records list {listed} for this member, --initial-advertise-peer-urls has {advertised}: expected one \
        record for each URL"
    )]
    OtherUrls {
        /// The URLs that the records give this member.
        listed: String,
        /// The URLs that this member advertises.
        advertised: String,
    },
    /// Two members have the same URL. The text is the one for `--initial-cluster`.
    #[error("{0}")]
    Duplicate(String),
}
