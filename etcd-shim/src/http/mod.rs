//! HTTP on the client URLs and the metrics URLs, as etcd 3.6 answers it: `/health`, `/livez`, `/readyz`, `/version`,
//! `/metrics`, `/debug/vars`.
//!
//! Status codes, bodies and headers are the same as etcd's, even Go's `404 page not found`. The routes ask the node
//! through [`ServerHealth`].

mod access;
mod checks;
mod health;
mod http_state;
mod page;
mod routes;
mod server_health;

pub use http_state::HttpState;
pub use routes::router;
pub use server_health::{AlarmKind, ServerHealth};

#[cfg(test)]
mod tests;
