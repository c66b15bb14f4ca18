//! [`Founding`]: the members of the new cluster, and the ids of its log and of their data directories.

use std::collections::BTreeMap;

use naxos_proto::contracts::{Founder, FoundingValue};
use naxos_proto::etcd::server::etcdserverpb::Member;
use naxos_proto::ids::{ClusterId, LogId, MemberId};
use naxos_proto::role::Role;
use naxos_proto::seams::Entropy;
use sha2::{Digest, Sha256};

use crate::config::Url;
use crate::node::ids;

/// See the module.
///
/// Each member of a cluster of several restores the same file by itself, and none of them asks the others. So the ids
/// follow from what all of them are given: the file, the number by which the revision is raised, the members and the
/// token. If a member restores a second time, its new directory has the ids of the first one. To the others it is an
/// old copy, and they refuse it. For the same reason the caller demands a token that was not used before. A cluster of
/// one has random ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Founding {
    /// etcd's cluster id.
    pub(crate) cluster: ClusterId,
    pub(crate) own: Founder,
    /// What the founders would have decided.
    pub(crate) value: FoundingValue,
    /// All members, ascending by their ids.
    pub(crate) members: Vec<Member>,
}

/// The beginning of the SHA-256 of `parts`. If it is 0, 1 is returned, because an id is never 0.
fn id(parts: &[&[u8]]) -> u64 {
    let hash = parts
        .iter()
        .fold(Sha256::new(), |hash, part| hash.chain_update((part.len() as u64).to_le_bytes()).chain_update(part));
    let (first, _) = hash
        .finalize()
        .split_first_chunk()
        .map(|(first, rest)| (u64::from_be_bytes(*first), rest.len()))
        .expect("a SHA-256 is longer");
    first.max(1)
}

impl Founding {
    /// The founding of a cluster with these members, of which `name` is this one. `None` if `name` is not among them.
    /// `seed` follows from the file and from the number by which the revision is raised.
    pub(crate) fn new(
        members: &BTreeMap<String, Vec<Url>>,
        name: &str,
        token: &str,
        seed: &[u8],
        entropy: &dyn Entropy,
    ) -> Option<Self> {
        let cluster = ClusterId(ids::cluster_id(members, token));
        let is_alone = members.len() == 1;
        let derived = |what: &[u8], of: u64| {
            let random = || entropy.id();
            let follows = || id(&[what, seed, token.as_bytes(), &cluster.0.to_be_bytes(), &of.to_be_bytes()]);
            if is_alone { random() } else { follows() }
        };
        let seat = |urls: &[Url]| MemberId(ids::member_id(urls, token));
        let mut founders: Vec<Founder> = members
            .values()
            .map(|urls| seat(urls))
            .map(|seat| Founder { seat, storage: Role::id_of_node(derived(b"naxos restore: storage", seat.0)) })
            .collect();
        founders.sort_by_key(|founder| founder.seat);
        let own = seat(members.get(name)?);
        let own = *founders.iter().find(|founder| founder.seat == own)?;
        let mut list: Vec<Member> = members
            .iter()
            .map(|(name, urls)| Member {
                id: seat(urls).0,
                name: name.clone(),
                peer_ur_ls: urls.iter().map(ToString::to_string).collect(),
                ..Member::default()
            })
            .collect();
        list.sort_by_key(|member| member.id);
        let log = LogId(derived(b"naxos restore: log", 0));
        Some(Self { cluster, own, value: FoundingValue { log, founders }, members: list })
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::sim::SeededEntropy;

    use super::*;

    fn founding(names: &[&str], own: &str, token: &str, seed: &[u8], entropy: u64) -> Founding {
        let urls = |name: &str| vec![Url::parse(&format!("http://{name}:2380")).unwrap()];
        let members = names.iter().map(|name| ((*name).to_owned(), urls(name))).collect();
        Founding::new(&members, own, token, seed, &SeededEntropy::new(entropy)).unwrap()
    }

    #[test]
    fn members_that_restore_the_same_file_agree_without_a_word() {
        let names = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
        let of = |own: &str| founding(&names, own, "t", b"file", 1);
        let all = names.map(of);
        assert!(
            all.iter()
                .all(|one| (one.cluster, &one.value, &one.members) == (all[0].cluster, &all[0].value, &all[0].members))
        );
        assert!(all.iter().all(|one| one.value.founders.contains(&one.own)));
        assert!(all[0].own != all[1].own && all[0].value.founders.is_sorted_by_key(|founder| founder.seat));
        assert_ne!(founding(&names, names[0], "t", b"other file", 1).value, all[0].value);
        assert_ne!(founding(&names, names[0], "u", b"file", 1).value, all[0].value, "another token");
        assert_eq!(founding(&names, names[0], "t", b"file", 2), all[0]);
    }

    #[test]
    fn each_restore_of_a_cluster_of_one_has_ids_of_its_own() {
        let of = |entropy| founding(&["10.0.0.1"], "10.0.0.1", "t", b"file", entropy);
        assert_eq!(of(1).cluster, of(2).cluster);
        assert!(of(1).value.log != of(2).value.log && of(1).own.storage != of(2).own.storage);
    }
}
