//! What etcd answers when it refuses: code and text, byte for byte (clients match the text).

use tonic::{Code, Status};

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $code:ident, $text:literal;)*) => {
        /// A refusal in etcd's words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EtcdError {
            $($(#[$doc])* $name,)*
        }

        impl EtcdError {
            /// Its gRPC code.
            pub fn code(self) -> Code {
                match self { $(EtcdError::$name => Code::$code,)* }
            }

            /// Its text.
            pub fn text(self) -> &'static str {
                match self { $(EtcdError::$name => $text,)* }
            }
        }
    };
}

errors! {
    /// No key in a request that needs one.
    EmptyKey = InvalidArgument, "etcdserver: key is not provided";
    /// `ignore_value` or `ignore_lease` on a missing key, or an empty operation.
    KeyNotFound = InvalidArgument, "etcdserver: key not found";
    /// A value beside `ignore_value`.
    ValueProvided = InvalidArgument, "etcdserver: value is provided";
    /// A lease beside `ignore_lease`.
    LeaseProvided = InvalidArgument, "etcdserver: lease is provided";
    /// More than `--max-txn-ops`.
    TooManyOps = InvalidArgument, "etcdserver: too many operations in txn request";
    /// One key is put twice in one branch.
    DuplicateKey = InvalidArgument, "etcdserver: duplicate key given in txn request";
    /// `client-api-version` that is no text.
    InvalidClientApiVersion = InvalidArgument, "etcdserver: invalid client api version";
    /// An unknown sort order or target.
    InvalidSortOption = InvalidArgument, "etcdserver: invalid sort option";
    /// A revision below the compacted one.
    Compacted = OutOfRange, "etcdserver: mvcc: required revision has been compacted";
    /// A revision above the store's.
    FutureRevision = OutOfRange, "etcdserver: mvcc: required revision is a future revision";
    /// The quota is used up.
    NoSpace = ResourceExhausted, "etcdserver: mvcc: database space exceeded";
    /// No such lease.
    LeaseNotFound = NotFound, "etcdserver: requested lease not found";
    /// The lease id is taken.
    LeaseExists = FailedPrecondition, "etcdserver: lease already exists";
    /// A time-to-live above 9,000,000,000 s.
    LeaseTtlTooLarge = OutOfRange, "etcdserver: too large lease TTL";
    /// Over `--max-request-bytes`.
    RequestTooLarge = InvalidArgument, "etcdserver: request is too large";
    /// A queue is full. etcd sends it as Unknown, by accident; clients go by the text.
    TooManyRequests = Unknown, "etcdserver: too many requests";
    /// A change of members that the cluster does not take now. Unknown by the same accident.
    NotEnoughStarted = Unknown, "etcdserver: re-configuration failed due to not enough started members";
    /// Peer URLs that are none.
    MemberBadUrls = InvalidArgument, "etcdserver: given member URLs are invalid";
    /// No such member.
    MemberNotFound = NotFound, "etcdserver: member not found";
    /// Promotion of a voter.
    MemberNotLearner = FailedPrecondition, "etcdserver: can only promote a learner member";
    /// Peer URLs of another member.
    PeerUrlExists = FailedPrecondition, "etcdserver: Peer URLs already exists";
    /// The target of a leadership transfer is none.
    BadLeaderTransferee = FailedPrecondition, "etcdserver: bad leader transferee";
    /// Nobody leads.
    NoLeader = Unavailable, "etcdserver: no leader";
    /// The node stops.
    Stopped = Unavailable, "etcdserver: server stopped";
    /// No answer in time: the outcome is unknown.
    Timeout = Unavailable, "etcdserver: request timed out";
    /// Replicas differ.
    Corrupt = DataLoss, "etcdserver: corrupt cluster";
    /// A feature that the cluster has not turned on.
    NotCapable = FailedPrecondition, "etcdserver: not capable";
    /// Auth is off.
    AuthNotEnabled = FailedPrecondition, "etcdserver: authentication is not enabled";
    /// A downgrade target that is no version.
    WrongDowngradeVersion = InvalidArgument, "etcdserver: wrong downgrade target version format";
    /// A downgrade target other than the minor version before.
    InvalidDowngradeTarget = InvalidArgument, "etcdserver: invalid downgrade target version";
    /// Nothing to cancel.
    NoInflightDowngrade = FailedPrecondition, "etcdserver: no inflight downgrade job";
}

impl From<EtcdError> for Status {
    fn from(e: EtcdError) -> Self {
        Status::new(e.code(), e.text())
    }
}
