//! Member and cluster ids, by etcd's own formula: all nodes of a cluster compute the same ids without talking to each
//! other.

use std::collections::BTreeMap;

use sha1::{Digest, Sha1};

use crate::config::Url;

fn first_eight(hash: impl AsRef<[u8]>) -> u64 {
    u64::from_be_bytes(hash.as_ref()[..8].try_into().expect("SHA-1 has 20 bytes"))
}

/// SHA-1 over the sorted peer URLs and the cluster's token.
pub(crate) fn member_id(peer_urls: &[Url], token: &str) -> u64 {
    let mut urls: Vec<String> = peer_urls.iter().map(ToString::to_string).collect();
    urls.sort();
    first_eight(Sha1::digest(urls.concat() + token))
}

/// SHA-1 over the sorted member ids.
pub(crate) fn cluster_id(members: &BTreeMap<String, Vec<Url>>, token: &str) -> u64 {
    let mut ids: Vec<u64> = members.values().map(|urls| member_id(urls, token)).collect();
    ids.sort_unstable();
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
    first_eight(Sha1::digest(bytes))
}
