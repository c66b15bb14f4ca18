//! A log for programs that use it directly, and the streams in it (CORFU, Tango, Boki).
//!
//! - [`Log`]: append, read, follow, tail; an entry may belong to several streams
//! - [`StreamReader`]: plays the entries of one stream, and reads no others
//! - [`AuxCache`]: data that a program computed from an entry
//!
//! How the entries of a stream are found (Tango, SOSP'13, section 5): the header of each entry points at the four entries
//! of the stream before it, and the sequencer knows the newest four. `walk` follows these pointers. Where they end,
//! because the sequencer did not know more or because the appends that they point at failed, `search` reads the log
//! backwards. This is needed after a reconfiguration, because the new sequencer knows nothing of earlier segments: a
//! reader that comes to the beginning of a segment searches the one before it for its stream. `found_cache` remembers what was
//! found, for all readers of a handle.

mod aux_cache;
mod entry;
mod found_cache;
mod log;
mod reader;
mod search;
mod stream_error;
mod sync;
mod walk;

pub use aux_cache::AuxCache;
pub use entry::Entry;
pub use log::Log;
pub use reader::StreamReader;
pub use stream_error::StreamError;
