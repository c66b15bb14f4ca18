//! [`check_list`]: compares the members that a program lists with those that its data directory knows.

use naxos_proto::contracts::ClusterView;
use naxos_proto::ids::MemberId;

use crate::config::{ServerConfig, Url, join};
use crate::node::ids;
use crate::node::start::StartError;

/// Refuses a list of members that belongs to another data directory, if the program asks for that. `own` is the member of
/// the directory, `known` what the directory knows of the cluster, and `had_others` whether members have left it since it was
/// founded, recovered or restored.
///
/// The list may be older or newer than what the directory knows: members were added and removed since, or their URLs
/// were changed, perhaps while this node was away. So an entry of the list counts as a member that has its URL now, and
/// as the one that had it when the cluster was founded, which the id of the member shows. Refused is only
///
/// 1. no list for a store of several members: they could not reach this node;
/// 2. a list of several members for the store of a node that has always been alone;
/// 3. a list in which the entry of this node is another member that the directory knows, and another entry is the member of
///    the directory;
/// 4. a list in which no entry is a member that the directory knows.
///
/// A store of one member may have any URL, because nobody needs to reach it.
pub(in crate::node) fn check_list(
    config: &ServerConfig,
    own: MemberId,
    known: &ClusterView,
    had_others: bool,
) -> Result<(), StartError> {
    let listed = &config.cluster.members;
    if !config.cluster.is_compared {
        return Ok(());
    }
    let is_one = known.members.len() == 1 || (known.members.is_empty() && known.founders.len() == 1);
    if config.listen_peer_urls.is_empty() {
        return if is_one { Ok(()) } else { refuse(no_list(known)) };
    }
    let is_founder = known.founders.contains_key(&own);
    if known.members.is_empty() && !is_founder {
        // This node was added to a cluster, and has not read the members yet.
        return Ok(());
    }
    if is_one && listed.len() == 1 {
        return Ok(());
    }
    if is_one && is_founder && known.founders.len() == 1 && !had_others {
        return refuse(format!(
            "the directory holds a store of one node, and the list names {}: expected an empty directory; or \
             `.peers(0, [url])` with the URL of this node alone, and then `etcdctl member add`. If members were added just \
             now, start once with the list of this node alone",
            listed.len()
        ));
    }
    let has_now = |urls: &[Url], member: MemberId| {
        known.members.get(&member).is_some_and(|now| now.peer_urls.iter().any(|url| has(urls, url)))
    };
    let is = |urls: &[Url], member: MemberId| {
        ids::member_id(urls, &config.cluster.token) == member.0 || has_now(urls, member)
    };
    let given = listed.get(&config.name).map(Vec::as_slice).unwrap_or_default();
    if is(given, own) {
        return Ok(());
    }
    let members = || known.members.keys().chain(known.founders.keys());
    // This node may have moved while it was away, to a URL that its directory does not know. Another member, which the
    // directory does not know either, may have the old URL now.
    let is_another = members().any(|member| *member != own && is(given, *member));
    let another_has = |urls: &[Url]| known.members.keys().any(|member| *member != own && has_now(urls, *member));
    if is_another && let Some(urls) = listed.values().find(|urls| is(urls, own) && !another_has(urls)) {
        return refuse(format!(
            "the directory belongs to the node at {}, and the program says that it is the node at {}: expected the number \
             of {} in the list, or the directory of that node",
            urls_of(known, own).unwrap_or_else(|| join(urls)),
            join(given),
            join(urls)
        ));
    }
    if !listed.values().any(|urls| members().any(|member| is(urls, *member))) {
        let kept = nodes_of(known);
        let list = listed.values().map(|urls| join(urls)).collect::<Vec<_>>().join(",");
        return refuse(format!(
            "the directory belongs to the store of {kept}, and the list names only {list}: expected the list of the nodes \
             of that store, or an empty directory"
        ));
    }
    Ok(())
}

fn no_list(known: &ClusterView) -> String {
    let kept = nodes_of(known);
    format!(
        "the directory belongs to the store of {kept}, and the program opens it as the store of one node: expected \
         `.peers(own, urls)` with the list of the nodes"
    )
}

/// The nodes of a store, in words.
fn nodes_of(known: &ClusterView) -> String {
    let urls = known.members.keys().filter_map(|member| urls_of(known, *member)).collect::<Vec<_>>();
    if urls.is_empty() { format!("{} nodes", known.founders.len()) } else { urls.join(",") }
}

fn refuse(why: String) -> Result<(), StartError> {
    Err(StartError::Begin(why))
}

/// The URLs under which a member is known.
fn urls_of(known: &ClusterView, member: MemberId) -> Option<String> {
    known.members.get(&member).map(|listed| listed.peer_urls.join(",")).filter(|urls| !urls.is_empty())
}

/// Whether `url` is one of `urls`. The two names of this machine count as one.
fn has(urls: &[Url], url: &str) -> bool {
    let plain = |url: &str| url.replace("://localhost:", "://127.0.0.1:");
    urls.iter().any(|one| plain(&one.to_string()) == plain(url))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use naxos_proto::contracts::ListedMember;
    use naxos_proto::ids::StorageId;

    use super::*;
    use crate::config::{Program, load};

    fn config(own: usize, hosts: &[&str]) -> ServerConfig {
        let named = hosts.iter().enumerate().map(|(at, host)| format!("n{at}=http://{host}:2380")).collect::<Vec<_>>();
        let words = [
            format!("--name=n{own}"),
            format!("--initial-advertise-peer-urls=http://{}:2380", hosts[own]),
            format!("--initial-cluster={}", named.join(",")),
        ];
        let mut config = load(Program::Naxos, &words, &BTreeMap::new()).unwrap().config;
        config.cluster.is_compared = true;
        config
    }

    fn founded(host: &str) -> MemberId {
        let url = Url::parse(&format!("http://{host}:2380")).unwrap();
        MemberId(ids::member_id(&[url], "etcd-cluster"))
    }

    /// What a directory knows of a cluster that was founded by `founders` and has `members` now: each the host at which it
    /// was founded, and the one where it is now.
    fn view(founders: &[&str], members: &[(&str, &str)]) -> ClusterView {
        let listed = |host: &str| ListedMember { peer_urls: vec![format!("http://{host}:2380")], ..Default::default() };
        ClusterView {
            founders: founders.iter().map(|host| (founded(host), StorageId(founded(host).0))).collect(),
            members: members.iter().map(|(then, now)| (founded(then), listed(now))).collect(),
            ..ClusterView::default()
        }
    }

    fn refusal(own: usize, list: &[&str], of: &str, known: &ClusterView) -> Option<String> {
        check_list(&config(own, list), founded(of), known, false).err().map(|error| error.to_string())
    }

    const ABC: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    const D: &str = "10.0.0.4";
    const X: &str = "10.0.1.1";

    #[test]
    fn a_list_that_is_older_or_newer_than_the_directory_passes() {
        let [a, b, c] = ABC;
        let known = view(&ABC, &[(a, a), (b, b), (c, c)]);
        assert_eq!(refusal(0, &ABC, a, &known), None);
        assert_eq!(refusal(1, &ABC, b, &view(&ABC, &[])), None, "the directory has not read the members yet");
        // Added and removed members, in the list or in the directory only.
        assert_eq!(refusal(0, &[a, b, c, D], a, &known), None);
        assert_eq!(refusal(0, &[a, D], a, &known), None);
        assert_eq!(refusal(0, &ABC, a, &view(&ABC, &[(a, a), (D, D)])), None);
        // The URL of this node was changed, and only one of the two knows it.
        assert_eq!(refusal(0, &ABC, a, &view(&ABC, &[(a, X), (b, b), (c, c)])), None);
        assert_eq!(refusal(0, &[X, b, c], a, &known), None);
        assert_eq!(refusal(0, &[X, b, c], a, &view(&ABC, &[(a, X), (b, b), (c, c)])), None);
        assert_eq!(refusal(0, &[X, b, c, a], a, &known), None, "a new member has the old URL of this one");
        assert_eq!(refusal(0, &[D, b, c, a], a, &view(&ABC, &[(a, X), (b, b), (c, c), (X, a)])), None);
        // A member that was added has an id that says nothing about its URL.
        let added = |known: &ClusterView| check_list(&config(1, &[a, D]), MemberId(7), known, false);
        assert!(added(&view(&[X], &[])).is_ok());
        let mut known_there = view(&[X], &[(X, a)]);
        let peer_urls = vec![format!("http://{D}:2380")];
        known_there.members.insert(MemberId(7), ListedMember { peer_urls, ..ListedMember::default() });
        assert!(added(&known_there).is_ok());
        // The server does not ask for the comparison, as etcd does not.
        let mut other = config(0, &[X, D]);
        other.cluster.is_compared = false;
        assert!(check_list(&other, founded(a), &known, false).is_ok());
    }

    #[test]
    fn a_list_of_another_directory_is_refused() {
        let [a, b, c] = ABC;
        let known = view(&ABC, &[(a, a), (b, b), (c, c)]);
        for known in [&known, &view(&ABC, &[])] {
            let exchanged = refusal(1, &ABC, a, known).unwrap();
            assert!(exchanged.contains("the node at http://10.0.0.1:2380, and"), "{exchanged}");
            assert!(exchanged.contains("it is the node at http://10.0.0.2:2380"), "{exchanged}");
            let other = refusal(0, &[X, D], a, known).unwrap();
            assert!(other.contains("names only http://10.0.1.1:2380,http://10.0.0.4:2380"), "{other}");
        }
        let alone = view(&[a], &[(a, a)]);
        assert_eq!(refusal(0, &[a], a, &alone), None);
        assert_eq!(refusal(0, &[X], a, &alone), None, "nobody needs to reach it");
        assert_eq!(refusal(0, &[X], a, &view(&ABC, &[(a, a)])), None, "nobody needs to reach it any more");
        let several = refusal(0, &ABC, a, &alone).unwrap();
        assert!(several.contains("of one node, and the list names 3"), "{several}");
        assert!(several.contains("If members were added just now"), "{several}");
        let mut none = config(0, &[a]);
        none.listen_peer_urls.clear();
        assert!(check_list(&none, founded(a), &alone, false).is_ok());
        assert!(check_list(&none, founded(a), &view(&ABC, &[(a, a)]), false).is_ok(), "the others were removed");
        let missing = check_list(&none, founded(a), &known, false).unwrap_err().to_string();
        assert!(missing.contains("the store of http://10.0.0.") && missing.contains("expected `.peers("), "{missing}");
    }

    #[test]
    fn a_store_of_one_node_that_had_others_takes_a_list_of_several() {
        let [a, ..] = ABC;
        let alone = view(&[a], &[(a, a)]);
        let takes = |had_others| check_list(&config(0, &ABC), founded(a), &alone, had_others).is_ok();
        assert!(takes(true) && !takes(false));
    }
}
