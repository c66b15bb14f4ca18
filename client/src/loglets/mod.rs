//! The kinds of loglet, and the suite that all of them pass.

mod memory;
mod native;

pub use memory::MemoryProvider;
pub use native::NativeProvider;
