//! The writes of a writer, and their outcomes.

/// Number of keys of one writer.
pub const KEYS_PER_WRITER: u64 = 40;
/// Number of bytes after the number in a value. They make it about as large as the values of the benchmarks.
const PADDING_BYTES: usize = 240;

/// A put that the server acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    pub writer: u32,
    pub number: u64,
    pub revision: i64,
}

/// What one writer has done.
#[derive(Debug, Default)]
pub struct Written {
    pub writer: u32,
    pub acknowledged: Vec<Acknowledged>,
    /// The number of the writer's next put: one more than that of the last put that it sent.
    pub next: u64,
    /// The error with which the writer ended: the gRPC code and the message.
    pub refused: String,
}

/// The key of a writer's `number`th put.
pub fn key(writer: u32, number: u64) -> Vec<u8> {
    format!("writer/{writer:03}/{:03}", number % KEYS_PER_WRITER).into_bytes()
}

/// The value of a writer's `number`th put: the number in 20 digits, a space and padding.
pub fn value(number: u64) -> Vec<u8> {
    let mut value = format!("{number:020} ").into_bytes();
    value.resize(value.len() + PADDING_BYTES, b'.');
    value
}

/// The number of the put that wrote these bytes, which stands in their first 20 bytes. `None` if there is no number.
pub fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value.get(..20)?).ok()?.parse().ok()
}
