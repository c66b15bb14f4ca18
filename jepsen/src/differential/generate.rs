//! Random requests.

use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::alarm_request::AlarmAction;

use super::dice::Dice;
use super::parts::{Known, brief_grant, compaction, delete_range, grant, key, lease_id, put, range, revision_to_hash};
use super::request::Request;
use super::transactions;

/// etcd's limit for a whole request, in bytes. A put with a value of this size is over the limit, because the request
/// has a key too.
const VALUE_TOO_LARGE: usize = 1_572_864;

/// The next request.
pub(super) fn request(dice: &mut Dice, known: Known) -> Request {
    match dice.below(1000) {
        0..280 => Request::Range(range(dice, known)),
        280..580 => Request::Put(put(dice)),
        580..660 => Request::DeleteRange(delete_range(dice)),
        660..870 => Request::Txn(transactions::any(dice, known)),
        870..880 => Request::Compact(compaction(dice, known)),
        880..910 => Request::LeaseGrant(grant(dice)),
        910..918 => Request::LeaseGrantBriefly(brief_grant(dice)),
        918..938 => Request::LeaseRevoke(pb::LeaseRevokeRequest { id: lease_id(dice) }),
        938..958 => Request::LeaseTimeToLive(pb::LeaseTimeToLiveRequest { id: lease_id(dice), keys: dice.chance(60) }),
        958..966 => Request::LeaseLeases,
        966..978 => Request::LeaseKeepAlive(pb::LeaseKeepAliveRequest { id: lease_id(dice) }),
        978..992 => Request::HashKv(pb::HashKvRequest { revision: revision_to_hash(dice, known) }),
        992..995 => Request::Status,
        995..997 => Request::MemberList,
        997..999 => Request::Alarm(AlarmAction::Get, pb::AlarmType::None),
        _ => Request::Put(pb::PutRequest {
            key: key(dice).into(),
            value: vec![b'x'; VALUE_TOO_LARGE].into(),
            ..Default::default()
        }),
    }
}
