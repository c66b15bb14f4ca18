//! The ports: connections, TLS, HTTP/1 and HTTP/2, and the way of a request to its service.
//!
//! One accept Worker binds every address and hands each unregistered socket to the least loaded RPC runtime, a Worker
//! of its own per core. There the connection stays: its TLS, its HTTP and its services run on that one thread, so a
//! request meets no lock and no other core on its way. A work-stealing runtime costs 4 us a call more.
//!
//! One address serves everything: the first byte tells TLS from plain text, the preface HTTP/2 from HTTP/1, the
//! content type gRPC from the rest. gRPC goes straight to the generated service ([`GrpcRoutes`]), the rest to axum.
//!
//! Invariants: every wait before the first request has a deadline; connections, hand-offs and drains have bounds; a
//! client certificate that was verified travels in the extensions of each request of its connection ([`Peer`]).

mod accept;
mod bind;
mod call_check;
mod config;
mod connection;
mod dispatch;
mod empty_frames;
mod error;
mod gather;
mod grpc_routes;
mod handoff;
mod long_answer;
mod message_limit;
mod peer;
#[expect(clippy::module_inception, reason = "the type of this name lives here")]
mod port;
mod runtime;
mod socket;
mod timed;
mod turn;

pub(crate) use config::DESCRIPTORS_RESERVED;
pub use config::{ListenerConfig, PortConfig, Traffic};
pub use error::PortError;
pub use grpc_routes::{GrpcFuture, GrpcRoutes};
pub(crate) use long_answer::in_pieces;
pub(crate) use message_limit::{in_words_of_grpc_go, too_large_to_send};
pub use peer::Peer;
pub use port::{BoundPort, GrpcFactory, HttpFactory, Port};

#[cfg(test)]
mod tests;
