//! [`Lease`]: a lease as etcd writes it into its bucket.

/// See the module.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Lease {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
    /// The granted time-to-live in seconds.
    #[prost(int64, tag = "2")]
    pub(crate) ttl: i64,
    /// The seconds of the time-to-live that were left when etcd last noted them. 0 if etcd has not noted any.
    #[prost(int64, tag = "3")]
    pub(crate) remaining: i64,
}
