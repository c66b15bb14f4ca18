//! [`PortError`]: why the ports cannot be opened.

use std::io;

use naxos_proto::seams::Address;

use crate::os_text::os_text;

/// Opening the ports failed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// An address cannot be bound.
    #[error("listen {address}: bind: {}", os_text(.error))]
    Bind {
        /// The address.
        address: Address,
        /// The system's error.
        error: io::Error,
    },
    /// The accept Worker ended before it had bound every address.
    #[error("the accept worker ended before the ports were open")]
    Vanished,
}
