//! The kinds of loglets.

mod memory;
mod native;

pub use memory::MemoryProvider;
pub use native::NativeProvider;
