//! The questions to the DNS.
//!
//! SRV records come from the DNS servers of `/etc/resolv.conf`. Addresses of hosts come from the system's resolver,
//! which also reads `/etc/hosts`. Connections to these hosts use the same resolver. The simulator has no DNS, so these
//! questions do not go through the seams.

use std::net::SocketAddr;

use futures::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;

use super::answer::{Answer, Record};
use super::error::DiscoveryError;
use crate::config::SrvDomain;

/// Asks for the SRV records of both services, and for the addresses of the hosts in them. If no DNS server answers,
/// this takes 15 seconds, unless `/etc/resolv.conf` sets another time-out or another number of attempts. A domain
/// without a dot at its end takes longer: the resolver then also tries the name below the domain of this host and
/// below each search domain of `/etc/resolv.conf`. Each of these names takes 15 seconds again.
/// # Cancel safety
/// The call may be dropped.
pub(super) async fn ask(srv: &SrvDomain) -> Result<Vec<Answer>, DiscoveryError> {
    let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
    let resolver = &resolver.map_err(|error| DiscoveryError::NoServers(error.to_string()))?;
    let answers = srv.services().map(|(scheme, service)| async move {
        let name = srv.records_of(&service);
        let records = match records(resolver, &name).await {
            Ok(records) => Ok(join_all(records.into_iter().map(with_address)).await),
            Err(reason) => Err(format!("lookup {name}: {reason}")),
        };
        Answer { scheme, service, records }
    });
    Ok(join_all(answers).await)
}

/// The SRV records with this name, in the order of their priority. Records of equal priority have an order too, so that a
/// member finds the same names at each start.
async fn records(resolver: &TokioResolver, name: &str) -> Result<Vec<SRV>, String> {
    let lookup = resolver.srv_lookup(name).await.map_err(|error| described(&error))?;
    let srv = |data: &RData| if let RData::SRV(srv) = data { Some(srv.clone()) } else { None };
    let mut records: Vec<SRV> = lookup.answers().iter().filter_map(|record| srv(&record.data)).collect();
    if records.is_empty() {
        return Err(NONE.to_owned());
    }
    records.sort_by_cached_key(|srv| (srv.priority, srv.weight, srv.target.to_ascii(), srv.port));
    Ok(records)
}

/// What Go says if a name has no records.
const NONE: &str = "no such host";

fn described(error: &NetError) -> String {
    if error.is_no_records_found() { NONE.to_owned() } else { error.to_string() }
}

async fn with_address(srv: SRV) -> Record {
    let target = srv.target.to_ascii();
    let host = target.strip_suffix('.').unwrap_or(&target).to_owned();
    let record = Record { host, port: srv.port, address: Err("the record names no host".to_owned()) };
    if record.host.is_empty() {
        return record;
    }
    Record { address: address_of(&record.to_string()).await, ..record }
}

/// The address of `host:port`. As in Go, an IPv4 address goes first.
/// # Cancel safety
/// The call may be dropped.
pub(super) async fn address_of(host_and_port: &str) -> Result<SocketAddr, String> {
    let found = tokio::net::lookup_host(host_and_port).await.map_err(|error| error.to_string())?;
    let found: Vec<SocketAddr> = found.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| NONE.to_owned())
}
