//! etcd's public API, in two forms. The answers of [`server`] are [`twins`], which hold keys and events as the store
//! has encoded them. [`client`] has the plain messages.

/// The server's side: services and messages. Four answers are replaced by their twins.
#[expect(missing_docs, reason = "generated code")]
#[expect(clippy::all, reason = "generated code")]
#[expect(clippy::allow_attributes, reason = "generated code")]
pub mod server {
    include!(concat!(env!("OUT_DIR"), "/server/etcd.rs"));
}

/// The client's side: services and plain messages.
#[expect(missing_docs, reason = "generated code")]
#[expect(clippy::all, reason = "generated code")]
pub mod client {
    include!(concat!(env!("OUT_DIR"), "/client/etcd.rs"));
}

pub mod codec;
pub mod pieces;
pub mod twins;
pub mod txn_request;
