//! etcd's public API, in two forms. [`client`] has only generated messages. [`server`] has hand-written types in place
//! of five of them. Four are the answers in [`twins`], which hold pairs and events as the store has encoded them. The
//! fifth is the transaction in [`txn_request`].

/// The server's side: services and messages. Four answers and the transaction are replaced by hand-written types.
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

pub mod pieces;
pub mod twins;
pub mod txn_request;
