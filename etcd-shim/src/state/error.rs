//! etcd's refusals: code and text, byte for byte, because clients compare the text.

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
    /// A request without the key that it needs.
    EmptyKey = InvalidArgument, "etcdserver: key is not provided";
    /// `ignore_value` or `ignore_lease` on a missing key, or an empty operation.
    KeyNotFound = InvalidArgument, "etcdserver: key not found";
    /// A value together with `ignore_value`.
    ValueProvided = InvalidArgument, "etcdserver: value is provided";
    /// A lease together with `ignore_lease`.
    LeaseProvided = InvalidArgument, "etcdserver: lease is provided";
    /// More operations than `--max-txn-ops`, or transactions nested too deeply.
    TooManyOps = InvalidArgument, "etcdserver: too many operations in txn request";
    /// A branch puts a key twice, or puts a key that it also deletes.
    DuplicateKey = InvalidArgument, "etcdserver: duplicate key given in txn request";
    /// The metadata `client-api-version` is not text.
    InvalidClientApiVersion = InvalidArgument, "etcdserver: invalid client api version";
    /// An unknown sort order or target.
    InvalidSortOption = InvalidArgument, "etcdserver: invalid sort option";
    /// A read below the compacted revision, or a compaction at or below it.
    Compacted = OutOfRange, "etcdserver: mvcc: required revision has been compacted";
    /// A revision above the store's revision.
    FutureRevision = OutOfRange, "etcdserver: mvcc: required revision is a future revision";
    /// The quota is used up.
    NoSpace = ResourceExhausted, "etcdserver: mvcc: database space exceeded";
    /// The lease does not exist.
    LeaseNotFound = NotFound, "etcdserver: requested lease not found";
    /// A lease with this id exists already.
    LeaseExists = FailedPrecondition, "etcdserver: lease already exists";
    /// A time-to-live above 9,000,000,000 s.
    LeaseTtlTooLarge = OutOfRange, "etcdserver: too large lease TTL";
    /// A request larger than `--max-request-bytes`.
    RequestTooLarge = InvalidArgument, "etcdserver: request is too large";
    /// A queue is full. etcd sends the code Unknown by mistake; clients look at the text.
    TooManyRequests = Unknown, "etcdserver: too many requests";
    /// The cluster does not allow this change of members now. Here, too, etcd sends the code Unknown by mistake.
    NotEnoughStarted = Unknown, "etcdserver: re-configuration failed due to not enough started members";
    /// Peer URLs that are not valid.
    MemberBadUrls = InvalidArgument, "etcdserver: given member URLs are invalid";
    /// The member does not exist.
    MemberNotFound = NotFound, "etcdserver: member not found";
    /// Promotion of a member that is not a learner.
    MemberNotLearner = FailedPrecondition, "etcdserver: can only promote a learner member";
    /// A learner that lacks too much of the log to be promoted.
    LearnerNotReady = FailedPrecondition, "etcdserver: can only promote a learner member which is in sync with leader";
    /// As many learners as the cluster may have.
    TooManyLearners = FailedPrecondition, "etcdserver: too many learner members in cluster";
    /// A member with this id exists, or existed.
    MemberExists = FailedPrecondition, "etcdserver: member ID already exist";
    /// A member is down, so that a change of members could cost the quorum.
    Unhealthy = Unavailable, "etcdserver: unhealthy cluster";
    /// This member is a learner, which does not serve the call.
    NotSupportedForLearner = FailedPrecondition, "etcdserver: rpc not supported for learner";
    /// The call has to go to the leader.
    NotLeader = FailedPrecondition, "etcdserver: not leader";
    /// Peer URLs that another member has already.
    PeerUrlExists = FailedPrecondition, "etcdserver: Peer URLs already exists";
    /// Leadership cannot be transferred to this member.
    BadLeaderTransferee = FailedPrecondition, "etcdserver: bad leader transferee";
    /// The cluster has no leader.
    NoLeader = Unavailable, "etcdserver: no leader";
    /// The node is stopping.
    Stopped = Unavailable, "etcdserver: server stopped";
    /// No answer came in time: the outcome is unknown.
    Timeout = Unavailable, "etcdserver: request timed out";
    /// The replicas differ.
    Corrupt = DataLoss, "etcdserver: corrupt cluster";
    /// A feature that the cluster has not turned on.
    NotCapable = FailedPrecondition, "etcdserver: not capable";
    /// Auth is turned off.
    AuthNotEnabled = FailedPrecondition, "etcdserver: authentication is not enabled";
    /// A downgrade target that is not a version.
    WrongDowngradeVersion = InvalidArgument, "etcdserver: wrong downgrade target version format";
    /// A downgrade target other than the previous minor version.
    InvalidDowngradeTarget = InvalidArgument, "etcdserver: invalid downgrade target version";
    /// There is no downgrade to cancel.
    NoInflightDowngrade = FailedPrecondition, "etcdserver: no inflight downgrade job";
}

impl From<EtcdError> for Status {
    fn from(e: EtcdError) -> Self {
        Status::new(e.code(), e.text())
    }
}
