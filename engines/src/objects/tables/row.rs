//! [`Row`]: what a program's row says of itself.

use bytes::Bytes;

/// A row of a [`Table`](super::Table), whose documentation has an example.
pub trait Row: Sized {
    /// The names of the secondary indexes. All nodes must have the same ones. An index that is added is filled when the
    /// table is opened next. From then on, no program without that index may change the table.
    const INDEXES: &'static [&'static str];

    /// The primary key. A table has one row for each key.
    fn key(&self) -> Bytes;

    /// The value by which the secondary index of this name finds the row. `None` if the index does not have the row. Rows
    /// may have the same value.
    fn indexed(&self, index: &str) -> Option<Bytes>;

    /// The row as bytes.
    fn encode(&self) -> Bytes;

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// If these are not the bytes of a row. The text says what was expected.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
}
