//! [`Answer`]: the SRV records of one service.

use std::fmt;
use std::net::SocketAddr;

use crate::config::{Scheme, Url};

/// One SRV record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The host that it names, without a dot at the end. Empty if the record says that there is no such service.
    pub(super) host: String,
    pub(super) port: u16,
    /// The address of the host, with the port; or why there is none.
    pub(super) address: Result<SocketAddr, String>,
}

impl Record {
    /// The peer URL that the record stands for.
    pub(super) fn url(&self, scheme: Scheme) -> Url {
        Url { scheme, host: self.to_string(), path: String::new() }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The answer for one service.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The scheme of the peer URLs that this service lists.
    pub(super) scheme: Scheme,
    /// The service's name, without the underscore.
    pub(super) service: String,
    /// The records in the order of their priority; or why there are none.
    pub(super) records: Result<Vec<Record>, String>,
}
