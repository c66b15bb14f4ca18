//! `--discovery-srv`: the members of a new cluster are listed by SRV records in the DNS.
//!
//! - [`discover`]: asks for the records, and puts the members into the configuration
//! - [`ask`]: the questions to the system's DNS servers and the system's resolver; [`answer`]: what comes back
//! - [`listing`]: the pure rules: which members the answers list, and which of them is this one
//! - [`error`]: why there is no list

mod answer;
mod ask;
mod discover;
mod error;
mod listing;

pub(in crate::node) use discover::discover;
pub(in crate::node) use error::DiscoveryError;
