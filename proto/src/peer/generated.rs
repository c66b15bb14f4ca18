//! The messages, clients and servers that are generated from `proto/naxos/peer.proto`.

#![expect(missing_docs, reason = "generated code")]
#![expect(clippy::all, reason = "generated code")]
#![expect(clippy::allow_attributes, reason = "generated code")]

pub mod included {
    include!(concat!(env!("OUT_DIR"), "/peer/naxos.rs"));
}

pub use included::naxos::peer::v1::*;
