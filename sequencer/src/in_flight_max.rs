//! [`InFlightMax`]: how much may be in flight.

/// How much of a loglet may be in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlightMax {
    /// Batches.
    pub(crate) batches: usize,
    /// Bytes of all these batches. One batch is taken even if it alone has more.
    pub(crate) bytes: u64,
}
