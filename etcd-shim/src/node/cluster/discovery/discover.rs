//! [`discover`]: the members of the cluster from the DNS.

use futures::future::try_join_all;

use super::answer::Answer;
use super::ask::{address_of, ask};
use super::error::DiscoveryError;
use super::listing::{Own, list_members};
use crate::config::{ClusterState, Scheme, ServerConfig, SrvDomain, Url, join};

/// Asks the DNS for the members, if `--discovery-srv` says so, and returns the configuration with them. A member that
/// begins a cluster takes the peer URLs of its own records, as in etcd: they are what the others know.
/// # Cancel safety
/// The call may be dropped and made again.
pub(in crate::node) async fn discover(config: ServerConfig) -> Result<ServerConfig, DiscoveryError> {
    let Some(srv) = config.cluster.discovery_srv.clone() else { return Ok(config) };
    let own_urls = try_join_all(config.advertise_peer_urls.iter().map(with_address)).await?;
    let answers = ask(&srv).await?;
    answers.iter().for_each(|answer| log(answer, &srv, &config));
    let begins = config.cluster.state == ClusterState::New;
    let listing = list_members(&Own { name: &config.name, urls: &own_urls, begins }, &answers)?;
    for reason in &listing.left_out {
        tracing::warn!(reason, "an SRV record is left out");
    }
    for (name, urls) in &listing.members {
        tracing::info!(node = format!("{name}={}", join(urls)), "got bootstrap from DNS for etcd-server");
    }
    let mut config = config;
    if begins && let Some(own) = listing.members.get(&config.name) {
        config.advertise_peer_urls.clone_from(own);
    }
    config.cluster.members = listing.members;
    Ok(config)
}

/// Adds the address of an advertised URL.
async fn with_address(url: &Url) -> Result<(Url, std::net::SocketAddr), DiscoveryError> {
    if url.is_unix() {
        return Err(DiscoveryError::NoAddress(url.to_string(), "it is a Unix socket".to_owned()));
    }
    let address = address_of(&url.host).await;
    let address = address.map_err(|reason| DiscoveryError::NoAddress(url.to_string(), reason))?;
    Ok((url.clone(), address))
}

/// Logs an answer in etcd's words.
fn log(answer: &Answer, srv: &SrvDomain, config: &ServerConfig) {
    let records = answer.records.as_ref();
    let found: Vec<String> =
        records.into_iter().flatten().map(|record| record.url(answer.scheme).to_string()).collect();
    let message = match answer.scheme {
        Scheme::Https => "get cluster for etcd-server-ssl SRV",
        _ => "get cluster for etcd-server SRV",
    };
    tracing::info!(
        "service-name" = answer.service,
        "server-name" = config.name,
        "discovery-srv" = srv.domain,
        "advertise-peer-urls" = join(&config.advertise_peer_urls),
        ?found,
        error = records.err(),
        "{message}"
    );
}
