//! [`Condition`]: what must hold for a transaction.

use bytes::Bytes;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};

/// A condition on a key. If all conditions of a [`Transaction`](super::Transaction) hold, the transaction carries out
/// the operations before [`Transaction::otherwise`](super::Transaction::otherwise), else those after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(pub(super) pb::Compare);

impl Condition {
    /// The key is there.
    pub fn exists(key: impl AsRef<[u8]>) -> Self {
        Self::compare(key, CompareResult::Greater, TargetUnion::Version(0))
    }

    /// The key is not there.
    pub fn is_missing(key: impl AsRef<[u8]>) -> Self {
        Self::compare(key, CompareResult::Equal, TargetUnion::Version(0))
    }

    /// The key has this value.
    pub fn has_value(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        Self::compare(key, CompareResult::Equal, TargetUnion::Value(Bytes::copy_from_slice(value.as_ref())))
    }

    /// The last change of the key was at this revision ([`Pair::changed_at`](super::Pair::changed_at)). The revision 0
    /// stands for a key that is not there.
    pub fn changed_at(key: impl AsRef<[u8]>, revision: i64) -> Self {
        Self::compare(key, CompareResult::Equal, TargetUnion::ModRevision(revision))
    }

    fn compare(key: impl AsRef<[u8]>, result: CompareResult, with: TargetUnion) -> Self {
        let target = match with {
            TargetUnion::Version(_) => CompareTarget::Version,
            TargetUnion::CreateRevision(_) => CompareTarget::Create,
            TargetUnion::ModRevision(_) => CompareTarget::Mod,
            TargetUnion::Value(_) => CompareTarget::Value,
            TargetUnion::Lease(_) => CompareTarget::Lease,
        };
        Self(pb::Compare {
            result: result.into(),
            target: target.into(),
            key: Bytes::copy_from_slice(key.as_ref()),
            target_union: Some(with),
            ..pb::Compare::default()
        })
    }
}
