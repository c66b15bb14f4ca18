//! Commands: what a request becomes in the log.
//!
//! Envelope, little-endian: command version u16, store id u32, principal (length u32 and bytes), kind u8. The body
//! follows: etcd's own request message, or the layout given at the variant. The principal is there to name the user who
//! sent the request, for a later audit. This release leaves it empty, and apply does not use it.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader, put_bytes};
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::txn_request::TxnRequest;
use naxos_proto::ids::{LogletId, MemberId, StorageId, StoreId};
use naxos_proto::release::{ClusterVersion, IS_NEXT_RELEASE};
use prost::Message;

use super::lease::keeper::{KEEPER_BYTES, Keeper, put_loglet, take_loglet};
use super::versions::Announced;

/// Version of the commands that this release proposes.
const COMMAND_VERSION: u16 = 2;

/// The kind that the next release writes for a Put (`naxos_proto::release`).
const NEXT_PUT: u8 = 250;

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// KV.Put.
    Put(pb::PutRequest),
    /// KV.DeleteRange.
    DeleteRange(pb::DeleteRangeRequest),
    /// KV.Txn.
    Txn(TxnRequest),
    /// KV.Compact.
    Compact(pb::CompactionRequest),
    /// Lease.LeaseGrant. The lease's id and time-to-live are chosen before the command is proposed.
    LeaseGrant(pb::LeaseGrantRequest),
    /// Lease.LeaseRevoke.
    LeaseRevoke(pb::LeaseRevokeRequest),
    /// A lease has run out. Body: lease id i64, then the id of the loglet under which the proposing keeper took office.
    /// Apply ignores it when another keeper is in office.
    LeaseExpire {
        /// The id of the lease.
        id: i64,
        /// The loglet under which the keeper took office.
        office: LogletId,
    },
    /// A node becomes the keeper of leases. Body: loglet id and storage id u64. Apply ignores it unless the loglet's
    /// ordinal is higher than that of the keeper in office.
    KeepLeases(Keeper),
    /// Maintenance.Alarm: activates or deactivates an alarm.
    Alarm(pb::AlarmRequest),
    /// A member announces its name and client URLs. If there is no member list yet, this creates it. Otherwise it changes
    /// only these two fields, and only of a member that is in the list.
    Publish(pb::Member),
    /// Creates the member list of a new cluster. Apply ignores it if there is a list. The body is an answer to MemberList.
    Begin(pb::MemberListResponse),
    /// A data directory takes the seat of a member, from an earlier data directory if one has it. Body: member id u64,
    /// storage id u64, storage id u64 of the earlier one or 0. Apply refuses it if the member is not in the list, if
    /// the new data directory had a seat before, or if apply knows that the earlier one does not have the seat. If no
    /// earlier one is named, apply also refuses it if it knows of a data directory that has, or had, the seat.
    TakeSeat {
        /// The member.
        member: MemberId,
        /// The data directory that takes the seat.
        storage: StorageId,
        /// The data directory that had the seat. `None` if nobody had it: the member was away when the cluster was founded,
        /// or was added later.
        from: Option<StorageId>,
    },
    /// Cluster.MemberAdd. The id is chosen before the command is proposed. Body: the most learners that the cluster may
    /// have, u32, then the member.
    AddMember {
        /// The member.
        member: pb::Member,
        /// Apply refuses a learner if there are this many already.
        learners_max: u32,
    },
    /// Cluster.MemberRemove. Body: member id u64, storage id u64 of the data directory that has its seat, or 0. Apply refuses
    /// it if another one has the seat.
    RemoveMember {
        /// The member.
        member: MemberId,
        /// The data directory that has its seat. `None` if the member has never come.
        from: Option<StorageId>,
    },
    /// Cluster.MemberUpdate: replaces the peer URLs of a member.
    UpdateMember(pb::MemberUpdateRequest),
    /// Cluster.MemberPromote: a learner becomes a member with a vote.
    PromoteMember(pb::MemberPromoteRequest),
    /// The cluster goes on with one member after its quorum was lost. A recovery applies it after the end of the old
    /// log; it is in no log. Body: storage id u64, revisions u64, the number of data directories that lose their seats
    /// u16, for each its member id u64 and storage id u64, then the member.
    Recover(Recover),
    /// The process of a member says which cluster version it understands. Body: member id u64, version u32, storage id u64,
    /// boot u64.
    Announce {
        /// The member.
        member: MemberId,
        /// The process, and what it understands.
        announced: Announced,
    },
    /// Raises the version of the cluster. Apply ignores it unless all members have announced that version or a higher
    /// one. Body: version u32.
    RaiseVersion(ClusterVersion),
    /// A command of the program's own state machine ([`Applicator`](super::Applicator)). Body: the command.
    Own(Bytes),
    /// A command of the replicated objects (`naxos_engines::objects`). Body: the command.
    Objects(Bytes),
}

/// See [`Command::Recover`].
#[derive(Clone, Debug, PartialEq)]
pub struct Recover {
    /// The member that stays.
    pub member: pb::Member,
    /// Its new data directory.
    pub storage: StorageId,
    /// The data directories that had seats, the member's own among them. None of them counts again.
    pub ended: Vec<(MemberId, StorageId)>,
    /// How far the revision is raised. Everything up to the raised revision counts as compacted.
    pub revisions: u64,
}

impl Command {
    fn kind(&self) -> u8 {
        match self {
            Command::Put(_) => 1,
            Command::DeleteRange(_) => 2,
            Command::Txn(_) => 3,
            Command::Compact(_) => 4,
            Command::LeaseGrant(_) => 5,
            Command::LeaseRevoke(_) => 6,
            Command::LeaseExpire { .. } => 7,
            Command::KeepLeases(_) => 8,
            Command::Alarm(_) => 9,
            Command::Publish(_) => 10,
            Command::Begin(_) => 11,
            Command::TakeSeat { .. } => 12,
            Command::AddMember { .. } => 13,
            Command::RemoveMember { .. } => 14,
            Command::UpdateMember(_) => 15,
            Command::PromoteMember(_) => 16,
            Command::Recover(_) => 17,
            Command::Announce { .. } => 18,
            Command::RaiseVersion(_) => 19,
            Command::Own(_) => 20,
            Command::Objects(_) => 21,
        }
    }

    /// The command's bytes in the log, for `store`.
    pub fn encode(&self, store: StoreId) -> Bytes {
        self.encode_at(ClusterVersion::FIRST, store)
    }

    /// As [`Self::encode`], for the log of a cluster with this version.
    pub fn encode_at(&self, version: ClusterVersion, store: StoreId) -> Bytes {
        let message: Option<&dyn EncodedBody> = match self {
            Command::Put(m) => Some(m),
            Command::DeleteRange(m) => Some(m),
            Command::Txn(m) => Some(m),
            Command::Compact(m) => Some(m),
            Command::LeaseGrant(m) => Some(m),
            Command::LeaseRevoke(m) => Some(m),
            Command::Alarm(m) => Some(m),
            Command::Publish(m) => Some(m),
            Command::Begin(m) => Some(m),
            Command::UpdateMember(m) => Some(m),
            Command::PromoteMember(m) => Some(m),
            Command::LeaseExpire { .. }
            | Command::KeepLeases(_)
            | Command::TakeSeat { .. }
            | Command::AddMember { .. }
            | Command::RemoveMember { .. }
            | Command::Recover(_)
            | Command::Announce { .. }
            | Command::RaiseVersion(_)
            | Command::Own(_)
            | Command::Objects(_) => None,
        };
        let mut out = BytesMut::with_capacity(11 + message.map_or(KEEPER_BYTES, EncodedBody::body_len));
        out.put_u16_le(COMMAND_VERSION);
        out.put_u32_le(store.0);
        put_bytes(&mut out, b"");
        out.put_u8(match self {
            Command::Put(_) if version.has_next() => NEXT_PUT,
            _ => self.kind(),
        });
        match (self, message) {
            (_, Some(message)) => message.put_body(&mut out),
            (Command::LeaseExpire { id, office }, _) => {
                out.put_i64_le(*id);
                put_loglet(&mut out, *office);
            }
            (Command::KeepLeases(keeper), _) => keeper.put(&mut out),
            (Command::TakeSeat { member, storage, from }, _) => {
                let from = from.map_or(0, |from| from.0);
                [member.0, storage.0, from].into_iter().for_each(|id| out.put_u64_le(id));
            }
            (Command::AddMember { member, learners_max }, _) => {
                out.put_u32_le(*learners_max);
                member.put_body(&mut out);
            }
            (Command::RemoveMember { member, from }, _) => {
                out.put_u64_le(member.0);
                out.put_u64_le(from.map_or(0, |from| from.0));
            }
            (Command::Recover(Recover { member, storage, ended, revisions }), _) => {
                out.put_u64_le(storage.0);
                out.put_u64_le(*revisions);
                out.put_u16_le(u16::try_from(ended.len()).expect("a cluster has few members"));
                for (member, storage) in ended {
                    out.put_u64_le(member.0);
                    out.put_u64_le(storage.0);
                }
                member.put_body(&mut out);
            }
            (Command::Announce { member, announced }, _) => {
                out.put_u64_le(member.0);
                out.put_slice(&announced.encode());
            }
            (Command::RaiseVersion(version), _) => out.put_u32_le(version.0),
            (Command::Own(command) | Command::Objects(command), _) => out.put_slice(command),
            _ => unreachable!("every other kind is a message"),
        }
        out.freeze()
    }

    /// Reads the bytes that [`Self::encode`] wrote.
    pub fn decode(bytes: Bytes) -> Result<(StoreId, Command), DecodeError> {
        let mut r = Reader::new(bytes, "command");
        let version = r.u16()?;
        if version != COMMAND_VERSION {
            let (found, known) = (version.into(), COMMAND_VERSION.into());
            return Err(DecodeError::Version { what: "command", found, known });
        }
        let store = StoreId(r.u32()?);
        r.bytes()?;
        let kind = r.u8()?;
        let rule = r.rule("has a body that is not the message it should be");
        let command = match kind {
            1 => Command::Put(body(r, rule)?),
            2 => Command::DeleteRange(body(r, rule)?),
            3 => Command::Txn(body(r, rule)?),
            4 => Command::Compact(body(r, rule)?),
            5 => Command::LeaseGrant(body(r, rule)?),
            6 => Command::LeaseRevoke(body(r, rule)?),
            7 => Command::LeaseExpire { id: r.i64()?, office: take_loglet(&mut r)? },
            8 => Command::KeepLeases(Keeper::take(&mut r)?),
            9 => Command::Alarm(body(r, rule)?),
            10 => Command::Publish(body(r, rule)?),
            11 => Command::Begin(body(r, rule)?),
            12 => Command::TakeSeat {
                member: MemberId(r.u64()?),
                storage: StorageId(r.u64()?),
                from: storage_or_none(r.u64()?),
            },
            13 => Command::AddMember { learners_max: r.u32()?, member: body(r, rule)? },
            14 => Command::RemoveMember { member: MemberId(r.u64()?), from: storage_or_none(r.u64()?) },
            15 => Command::UpdateMember(body(r, rule)?),
            16 => Command::PromoteMember(body(r, rule)?),
            17 => {
                let (storage, revisions) = (StorageId(r.u64()?), r.u64()?);
                let ended = (0..r.u16()?).map(|_| Ok((MemberId(r.u64()?), StorageId(r.u64()?))));
                let ended = ended.collect::<Result<_, DecodeError>>()?;
                Command::Recover(Recover { member: body(r, rule)?, storage, ended, revisions })
            }
            18 => Command::Announce { member: MemberId(r.u64()?), announced: Announced::take(&mut r)? },
            19 => Command::RaiseVersion(ClusterVersion(r.u32()?)),
            20 => Command::Own(r.rest()),
            21 => Command::Objects(r.rest()),
            NEXT_PUT if IS_NEXT_RELEASE => Command::Put(body(r, rule)?),
            _ => return Err(r.rule("is of a kind that this release does not know")),
        };
        Ok((store, command))
    }
}

/// The data directory with that id. 0 is none.
fn storage_or_none(id: u64) -> Option<StorageId> {
    (id != 0).then_some(StorageId(id))
}

fn body<M: Message + Default>(r: Reader, rule: DecodeError) -> Result<M, DecodeError> {
    M::decode(r.rest()).map_err(|_| rule)
}

/// The part of [`Message`] that encoding needs, as an object-safe trait.
trait EncodedBody {
    fn body_len(&self) -> usize;
    fn put_body(&self, out: &mut BytesMut);
}

impl<M: Message> EncodedBody for M {
    fn body_len(&self) -> usize {
        self.encoded_len()
    }

    fn put_body(&self, out: &mut BytesMut) {
        self.encode(out).expect("the buffer grows");
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Boot, Incarnation, LogId};
    use proptest::prelude::*;

    use super::*;

    fn keeper(ordinal: u64) -> Keeper {
        Keeper { loglet: LogletId { log: LogId(7), ordinal, nonce: 9 }, storage: StorageId(1) }
    }

    #[test]
    fn commands_round_trip() {
        let put =
            pb::PutRequest { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"v"), ..Default::default() };
        let member = pb::Member { id: 7, name: "default".to_owned(), ..Default::default() };
        for command in [
            Command::Put(put),
            Command::LeaseExpire { id: -3, office: keeper(4).loglet },
            Command::KeepLeases(keeper(5)),
            Command::Publish(member.clone()),
            Command::Recover(Recover {
                member: member.clone(),
                storage: StorageId(5),
                ended: vec![(MemberId(7), StorageId(4)), (MemberId(8), StorageId(3))],
                revisions: 1_000,
            }),
            Command::AddMember { member, learners_max: 1 },
            Command::RemoveMember { member: MemberId(7), from: Some(StorageId(8)) },
            Command::RemoveMember { member: MemberId(7), from: None },
            Command::UpdateMember(pb::MemberUpdateRequest { id: 7, peer_ur_ls: vec!["http://a:1".to_owned()] }),
            Command::PromoteMember(pb::MemberPromoteRequest { id: 7 }),
            Command::Announce {
                member: MemberId(7),
                announced: Announced {
                    by: Incarnation { storage: StorageId(8), boot: Boot(9) },
                    version: ClusterVersion(3),
                },
            },
            Command::RaiseVersion(ClusterVersion(3)),
            Command::Own(Bytes::from_static(b"add 1")),
            Command::Objects(Bytes::from_static(b"open")),
            Command::TakeSeat { member: MemberId(1), storage: StorageId(2), from: Some(StorageId(3)) },
            Command::TakeSeat { member: MemberId(1), storage: StorageId(2), from: None },
        ] {
            assert_eq!(Command::decode(command.encode(StoreId(9))).unwrap(), (StoreId(9), command));
        }
    }

    #[test]
    fn a_command_of_another_version_is_refused() {
        for version in [0, 1, 3] {
            let mut bytes = Command::KeepLeases(keeper(1)).encode(StoreId(0)).to_vec();
            bytes[0] = version;
            let refused = Command::decode(bytes.into());
            let expected = DecodeError::Version { what: "command", found: version.into(), known: 2 };
            assert_eq!(refused, Err(expected));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Command::decode(bytes.into());
        }
    }
}
