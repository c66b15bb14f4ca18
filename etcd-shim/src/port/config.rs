//! Which addresses to listen on, and how to serve them.

use std::sync::Arc;

use naxos_proto::seams::Address;

use crate::config::{Keepalive, ServerConfig, Url};
use crate::metrics::descriptor_limit;
use crate::tls::{TlsError, check_files, server_config};

/// The most connections at once, even if the system allows more: each may use about 100 KiB.
const CONNECTIONS_MAX: usize = 65_536;
/// File descriptors that are reserved for files and for connections that the node itself opens; etcd reserves as many.
pub(crate) const DESCRIPTORS_RESERVED: u64 = 150;

/// What an address serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// gRPC and HTTP.
    All,
    /// gRPC only.
    Grpc,
    /// HTTP only.
    Http,
    /// Metrics and health only.
    Metrics,
}

/// One address. An http and an https URL may share it.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// The address to listen on.
    pub address: Address,
    /// Whether plain text is accepted.
    pub plain: bool,
    /// Whether TLS is accepted.
    pub secure: bool,
    /// What the address serves.
    pub traffic: Traffic,
}

/// All addresses and the settings of their connections.
#[derive(Clone)]
pub struct PortConfig {
    /// The addresses.
    pub listeners: Vec<ListenerConfig>,
    /// The settings of TLS, if some address uses it.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The number of RPC runtimes, at least 1.
    pub runtimes: usize,
    /// The most streams on one HTTP/2 connection.
    pub max_concurrent_streams: u32,
    /// The settings of HTTP/2 pings.
    pub keepalive: Keepalive,
    /// The most connections at once; further ones wait in the system's queue.
    pub connections_max: usize,
}

impl PortConfig {
    /// The ports that a server's flags describe. Reads the certificates.
    pub fn from_server(config: &ServerConfig, runtimes: usize) -> Result<PortConfig, TlsError> {
        let listeners = listeners(config);
        let tls = match listeners.iter().any(|l| l.secure) {
            true => Some(server_config(&config.client_tls, &config.tls)?),
            false => None,
        };
        check_peers(config)?;
        let descriptors = descriptor_limit().saturating_sub(DESCRIPTORS_RESERVED);
        Ok(PortConfig {
            listeners,
            tls,
            runtimes: runtimes.max(1),
            max_concurrent_streams: config.limits.max_concurrent_streams,
            keepalive: config.keepalive,
            connections_max: usize::try_from(descriptors).unwrap_or(CONNECTIONS_MAX).clamp(1, CONNECTIONS_MAX),
        })
    }
}

/// Checks the certificates for members, so that a missing or wrong file is found at the start and not when the first
/// member connects.
fn check_peers(config: &ServerConfig) -> Result<(), TlsError> {
    let (files, secure) = (&config.peer_tls, config.listen_peer_urls.iter().find(|u| u.is_secure()));
    match secure {
        Some(url) if files.is_empty() => Err(TlsError::NoPeerCertificate(url.address().to_string())),
        _ => check_files(files).map_err(|e| TlsError::Peers(Box::new(e))),
    }
}

fn listeners(config: &ServerConfig) -> Vec<ListenerConfig> {
    let clients = if config.listen_client_http_urls.is_empty() { Traffic::All } else { Traffic::Grpc };
    let mut listeners: Vec<ListenerConfig> = Vec::new();
    let mut add = |urls: &[Url], traffic: Traffic| {
        for url in urls {
            match listeners.iter_mut().find(|l| l.address == url.address() && l.traffic == traffic) {
                Some(same) => {
                    same.plain |= !url.is_secure();
                    same.secure |= url.is_secure();
                }
                None => listeners.push(ListenerConfig {
                    address: url.address(),
                    plain: !url.is_secure(),
                    secure: url.is_secure(),
                    traffic,
                }),
            }
        }
    };
    add(&config.listen_client_urls, clients);
    add(&config.listen_client_http_urls, Traffic::Http);
    add(&config.listen_metrics_urls, Traffic::Metrics);
    listeners
}
