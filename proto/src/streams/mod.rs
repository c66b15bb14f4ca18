//! Streams within a log (Tango, SOSP'13, section 5). An entry may belong to several streams. Its cell begins with a header
//! that names them. The sequencer writes into the header, for each stream, where the entries before this one are, so a
//! reader finds the entries of one stream and reads nothing else.
//!
//! - [`BackPointers`]: where earlier entries of a stream are; [`StreamTails`]: the same for the end of the log
//! - [`StreamHeader`]: the header of a cell
//! - [`Unchanged`]: the condition of a conditional append

mod back_pointers;
mod stream_header;
mod stream_tails;
mod unchanged;

pub use back_pointers::{BACK_POINTERS_MAX, BackPointers, Earlier};
pub use stream_header::{STREAMS_MAX, StreamHeader};
pub use stream_tails::{STREAMS_ASKED_MAX, StreamTails};
pub use unchanged::Unchanged;
