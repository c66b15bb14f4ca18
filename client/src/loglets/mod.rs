//! The kinds of loglets.

mod copies;
mod corfu;
mod memory;
mod native;

pub use corfu::CorfuProvider;
pub use memory::MemoryProvider;
pub use native::NativeProvider;
