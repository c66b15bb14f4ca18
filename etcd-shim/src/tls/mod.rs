//! TLS on the client URLs and between members: rustls with ring.
//!
//! The certificate and its key are read again when their files change, so that they can be replaced without a restart.
//! That holds for the connections that this node accepts, and for those that it opens to other members. If the new pair
//! cannot be used, the last good one stays in use. The authorities are read once, as in etcd.

mod any_server;
mod client;
mod client_certificates;
mod error;
mod files;
mod reloading;
mod self_signed;
mod server;
mod signatures;

pub(crate) use any_server::AnyServer;
pub(crate) use client::client_config;
pub use error::TlsError;
pub(crate) use files::{authorities, certificates, private_key};
pub(crate) use server::check_files;
pub use server::server_config;

#[cfg(test)]
pub(crate) mod testing;
