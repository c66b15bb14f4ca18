//! Leases, as far as they are replicated: what was granted, which keys are attached, and whose clock decides.
//!
//! - [`lease`]: one lease; [`keeper`]: the node whose clock decides when leases end

pub(crate) mod keeper;
#[expect(clippy::module_inception, reason = "one type per file, named after it")]
mod lease;

pub use keeper::Keeper;
pub use lease::Lease;
