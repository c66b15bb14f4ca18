//! The ports: connections, TLS, HTTP/1 and HTTP/2, and how a request reaches its service.
//!
//! One accept Worker binds every address and hands each socket, which no runtime has registered yet, to the RPC runtime
//! with the fewest connections. Each RPC runtime is a Worker of its own, one per core. The connection stays on its
//! runtime: its TLS, its HTTP and its services run on that one thread, so a request never moves to another core on its
//! way to its service. A work-stealing runtime would cost 4 us more per call.
//!
//! One address can serve everything. The first byte shows whether the connection uses TLS, the preface shows whether it
//! uses HTTP/2 or HTTP/1, and the content type shows whether a request is gRPC. A gRPC request goes straight to the
//! generated service ([`GrpcRoutes`]), any other request to axum.
//!
//! Invariants:
//!
//! - The wait for the first byte, the TLS handshake, the recognition of HTTP/1 or HTTP/2 and the headers of an HTTP/1
//!   request have deadlines. An HTTP/2 connection may be idle.
//! - The numbers of connections and hand-offs and the time of a drain are bounded.
//! - A verified client certificate is in the extensions of each request of its connection ([`Peer`]).

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
