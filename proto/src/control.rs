//! The service behind `naxos ctl`: messages, client and server, generated from `proto/naxos/control.proto`.

/// The generated code. Its modules have the names of the package.
#[expect(missing_docs, reason = "generated code")]
#[expect(clippy::all, reason = "generated code")]
#[expect(clippy::allow_attributes, reason = "generated code")]
pub mod generated {
    include!(concat!(env!("OUT_DIR"), "/control/naxos.rs"));
}

pub use generated::naxos::control::v1::*;
