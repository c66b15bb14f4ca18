//! `--initial-cluster`: the members and their names.

use std::collections::BTreeMap;

use super::url::{Url, join};

/// Reads `name=url` pairs separated by commas. A name may occur several times. It may contain spaces, but not `=`.
pub(crate) fn parse_members(text: &str) -> Result<BTreeMap<String, Vec<Url>>, String> {
    let parse = |pair: &str| {
        let (name, url) = pair.split_once('=').filter(|(n, u)| !n.is_empty() && !u.is_empty()).ok_or_else(|| {
            format!("--initial-cluster: expected name=peer-url with commas between them, found {pair:?}")
        })?;
        Ok((name.to_owned(), Url::parse(url)?))
    };
    text.split(',').map(|pair| parse(pair.trim())).collect::<Result<Vec<_>, String>>().map(members_of)
}

/// The peer URLs of each member. They are sorted and each of them is kept once, as in etcd.
pub(crate) fn members_of(pairs: impl IntoIterator<Item = (String, Url)>) -> BTreeMap<String, Vec<Url>> {
    let mut members: BTreeMap<String, Vec<Url>> = BTreeMap::new();
    for (name, url) in pairs {
        members.entry(name).or_default().push(url);
    }
    for urls in members.values_mut() {
        urls.sort_by_key(ToString::to_string);
        urls.dedup();
    }
    members
}

/// A check that etcd makes when it creates a cluster: this member is in the cluster, with the peer URLs that it
/// advertises.
pub(crate) fn check_self(name: &str, advertised: &[Url], members: &BTreeMap<String, Vec<Url>>) -> Result<(), String> {
    let Some(own) = members.get(name) else {
        return Err(format!("couldn't find local name {name:?} in the initial cluster configuration"));
    };
    if same(own) == same(advertised) {
        return Ok(());
    }
    let given: Vec<String> = own.iter().map(|u| format!("{name}={u}")).collect();
    Err(format!(
        "--initial-cluster has {} but --initial-advertise-peer-urls has {}: expected the same URLs for this member",
        given.join(","),
        join(advertised)
    ))
}

/// No two members may have the same URL: requests would reach the wrong member.
pub(crate) fn check_distinct(members: &BTreeMap<String, Vec<Url>>) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for (name, url) in members.iter().flat_map(|(name, urls)| urls.iter().map(move |u| (name, u))) {
        if let Some(other) = seen.insert(url, name) {
            return Err(format!(
                "initial cluster has duplicate URLs: {url} is given for {other:?} and for {name:?}, expected each once"
            ));
        }
    }
    Ok(())
}

/// The URLs as sorted texts, with `127.0.0.1` in place of `localhost`, because the two count as equal.
fn same(urls: &[Url]) -> Vec<String> {
    let mut texts: Vec<String> = urls.iter().map(|u| u.to_string().replace("://localhost:", "://127.0.0.1:")).collect();
    texts.sort();
    texts
}
