//! The kinds of loglets, and what several kinds share: `copies` and `serve`.

mod copies;
mod corfu;
mod memory;
mod native;
mod serve;
mod stream_tails;

pub use corfu::CorfuProvider;
pub use memory::MemoryProvider;
pub use native::NativeProvider;
