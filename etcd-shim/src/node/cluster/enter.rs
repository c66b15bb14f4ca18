//! [`enter_cluster`]: `--initial-cluster-state=existing`. A member that was added to a cluster starts for the first time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use naxos_log_server::founding::{FoundingConfig, FoundingSeat};
use naxos_proto::contracts::{ClusterView, Founder, FoundingValue, JoinError, Joining};
use naxos_proto::ids::MemberId;
use naxos_proto::peer::RemoteJoining;
use naxos_proto::seams::Seams;
use tokio_util::sync::CancellationToken;

use super::Founders;
use super::address_book::MemberAddress;
use crate::config::{ServerConfig, Url, join};
use crate::node::attempts::Attempts;
use crate::node::start::StartError;
use crate::tls::TlsError;

/// The time between two rounds of questions.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Asks the other members in `--initial-cluster` for the members of their cluster, and waits until one of them answers.
/// Finds this node's member by the peer URLs that the node advertises; fails if no member has them. Writes the ids of
/// the members that founded the cluster into the data directory. Returns these founders, and the cluster as the others
/// know it.
/// # Cancel safety
/// The call may be dropped and made again.
pub(in crate::node) async fn enter_cluster(
    config: &ServerConfig,
    seams: &Seams,
    stop: &CancellationToken,
) -> Result<(Founders, ClusterView), StartError> {
    let view = ask_for_cluster(config, seams).await?;
    view.version.check()?;
    let own = own_member(&view, &config.advertise_peer_urls)?;
    let founders = view.founders.iter().map(|(seat, storage)| Founder { seat: *seat, storage: *storage }).collect();
    let decided = FoundingValue { log: view.log, founders };
    let settings = FoundingConfig { role: config.role, ..FoundingConfig::new(view.cluster, own, vec![own]) };
    let seat = Arc::new(FoundingSeat::enter(seams, settings, decided, stop.child_token()).await?);
    let found =
        seat.decided().ok_or_else(|| StartError::Founding("the decision of the founding is lost".to_owned()))?;
    tracing::info!(log = %found.log(), member_id = %own, "this node joins a cluster");
    Ok((Founders::new(found, seat), view))
}

async fn ask_for_cluster(config: &ServerConfig, seams: &Seams) -> Result<ClusterView, StartError> {
    let mut others = Vec::new();
    let listed = config.cluster.members.iter().filter(|(name, urls)| **name != config.name && !urls.is_empty());
    for (_, urls) in listed {
        let other = MemberAddress::of(&seams.net, config, urls).map_err(|error| TlsError::Peers(Box::new(error)))?;
        others.push(RemoteJoining::new(&seams.clock, other.address(), Arc::new(other)));
    }
    if others.is_empty() {
        return Err(StartError::Begin(
            "--initial-cluster-state=existing: expected --initial-cluster with this member and at least one member that \
             runs"
                .to_owned(),
        ));
    }
    let mut attempts = Attempts::new(&*seams.clock);
    loop {
        let mut why = "no other member answers".to_owned();
        let mut views = Vec::new();
        for answer in join_all(others.iter().map(Joining::look)).await {
            match answer {
                Ok(view) => views.push(view),
                Err(JoinError::NotYet(reason) | JoinError::Refused(reason)) => why = reason,
                Err(JoinError::Unreachable(_)) => {}
            }
        }
        if let Some(view) = ClusterView::newest(views) {
            return Ok(view);
        }
        attempts.pause(TRY_AGAIN, || tracing::info!(why, "waiting for an answer of a member of the cluster")).await;
    }
}

/// The member with these peer URLs.
fn own_member(view: &ClusterView, advertised: &[Url]) -> Result<MemberId, StartError> {
    let sorted = |mut urls: Vec<String>| {
        urls.sort();
        urls
    };
    let wanted = sorted(advertised.iter().map(ToString::to_string).collect());
    let found = view.members.iter().find(|(_, member)| sorted(member.peer_urls.clone()) == wanted);
    found.map(|(id, _)| *id).ok_or_else(|| {
        let others: BTreeMap<_, _> =
            view.members.values().map(|member| (member.name.as_str(), member.peer_urls.join(","))).collect();
        StartError::Begin(format!(
            "no member of the cluster has the peer URLs {}: expected one of {others:?}. Add this member first: etcdctl \
             member add NAME --peer-urls={}",
            join(advertised),
            join(advertised)
        ))
    })
}

#[cfg(test)]
mod tests {
    use naxos_proto::contracts::ListedMember;

    use super::*;

    #[test]
    fn a_node_is_the_member_with_its_peer_urls() {
        let member = |urls: &[&str]| ListedMember {
            peer_urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            ..ListedMember::default()
        };
        let members = BTreeMap::from([
            (MemberId(1), member(&["http://a:1"])),
            (MemberId(2), member(&["http://c:1", "http://b:1"])),
        ]);
        let view = ClusterView { members, ..ClusterView::default() };
        let urls = |urls: &[&str]| urls.iter().map(|url| Url::parse(url).unwrap()).collect::<Vec<_>>();
        assert_eq!(own_member(&view, &urls(&["http://b:1", "http://c:1"])).unwrap(), MemberId(2));
        let refused = own_member(&view, &urls(&["http://b:1"])).unwrap_err().to_string();
        assert!(refused.contains("etcdctl member add NAME --peer-urls=http://b:1"), "{refused}");
    }
}
