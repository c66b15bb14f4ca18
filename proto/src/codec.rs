//! Reading and writing the little-endian formats of `docs/formats.md`. Decoding never panics.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Why bytes do not decode as the expected value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("{what} needs {needed} more bytes, {left} are left")]
    Short {
        /// The value that was being read.
        what: &'static str,
        /// How many more bytes it needs.
        needed: usize,
        /// How many bytes are left.
        left: usize,
    },
    /// A version that this build does not know.
    #[error("{what} has version {found}, this build reads version {known}")]
    Version {
        /// The value that was being read.
        what: &'static str,
        /// The version that was found.
        found: u64,
        /// The highest version that this build reads.
        known: u64,
    },
    /// The bytes break another rule of the format.
    #[error("{what} {rule}")]
    Rule {
        /// The value that was being read.
        what: &'static str,
        /// The rule that the value breaks. Together with `what` it makes a sentence.
        rule: &'static str,
    },
}

/// A cursor over [`Bytes`] that hands out slices without a copy.
#[derive(Clone, Debug)]
pub struct Reader {
    left: Bytes,
    what: &'static str,
}

impl Reader {
    /// Reads `bytes`. Errors call the value `what`.
    pub fn new(bytes: Bytes, what: &'static str) -> Self {
        Self { left: bytes, what }
    }

    fn need(&self, needed: usize) -> Result<(), DecodeError> {
        if self.left.len() < needed {
            return Err(DecodeError::Short { what: self.what, needed, left: self.left.len() });
        }
        Ok(())
    }

    /// Reads one byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.need(1)?;
        Ok(self.left.get_u8())
    }

    /// Reads a number of two bytes.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.need(2)?;
        Ok(self.left.get_u16_le())
    }

    /// Reads a number of four bytes.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.need(4)?;
        Ok(self.left.get_u32_le())
    }

    /// Reads a number of eight bytes.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.need(8)?;
        Ok(self.left.get_u64_le())
    }

    /// Reads a signed number of eight bytes.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.need(8)?;
        Ok(self.left.get_i64_le())
    }

    /// Reads a `u32` length and then as many bytes.
    pub fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let len = self.u32()? as usize;
        self.need(len)?;
        Ok(self.left.split_to(len))
    }

    /// Reads a `u32` length and then as many bytes of UTF-8.
    pub fn text(&mut self) -> Result<String, DecodeError> {
        let raw = self.bytes()?;
        String::from_utf8(raw.to_vec()).map_err(|_| self.rule("must be UTF-8"))
    }

    /// All bytes that are left.
    pub fn rest(self) -> Bytes {
        self.left
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<(), DecodeError> {
        if self.left.is_empty() { Ok(()) } else { Err(self.rule("has bytes after its end")) }
    }

    /// Reads a version byte, which must be from 1 to `known`.
    pub fn version(&mut self, known: u8) -> Result<u8, DecodeError> {
        let found = self.u8()?;
        if found == 0 || found > known {
            return Err(DecodeError::Version { what: self.what, found: found.into(), known: known.into() });
        }
        Ok(found)
    }

    /// An error about the value that is being read.
    pub fn rule(&self, rule: &'static str) -> DecodeError {
        DecodeError::Rule { what: self.what, rule }
    }
}

/// Writes a `u32` length and `bytes`. Panics if there are 4 GiB or more; every limit in the project is below that.
pub fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32_le(u32::try_from(bytes.len()).expect("a field is smaller than 4 GiB"));
    out.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_value_says_what_it_needs() {
        let mut r = Reader::new(Bytes::from_static(&[4, 0, 0, 0, 1]), "frame");
        assert_eq!(r.bytes(), Err(DecodeError::Short { what: "frame", needed: 4, left: 1 }));
    }

    #[test]
    fn fields_come_back_as_they_were_written() {
        let mut out = BytesMut::new();
        out.put_u8(1);
        put_bytes(&mut out, b"abc");
        out.put_i64_le(-5);
        let mut r = Reader::new(out.freeze(), "x");
        assert_eq!(r.version(1), Ok(1));
        assert_eq!(r.bytes().unwrap(), "abc");
        assert_eq!(r.i64(), Ok(-5));
        assert_eq!(r.end(), Ok(()));
    }
}
