//! Why the ports do not open.

use std::io;

use naxos_proto::seams::Address;

use crate::os_text::os_text;

/// Opening the ports failed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// An address cannot be bound.
    #[error("listen {address}: bind: {}", os_text(.error))]
    Bind {
        /// Where.
        address: Address,
        /// What the system says.
        error: io::Error,
    },
    /// The accept Worker ended before it had bound.
    #[error("the accept worker ended before the ports were open")]
    Vanished,
}
