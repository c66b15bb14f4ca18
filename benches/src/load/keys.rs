//! The keys and values of the load, and a fast random generator to choose them.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

use crate::pace;

/// `count` keys: `PREFIX00000000` and so on, without gaps, in order, all of the same length.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The prefix of every key.
    pub prefix: String,
    /// The number of keys.
    pub count: u64,
}

impl Keys {
    /// The key with the number `n`.
    pub fn key(&self, n: u64) -> Bytes {
        Bytes::from(format!("{}{n:08}", self.prefix))
    }

    /// The end of the range that begins at the prefix.
    pub fn end(&self) -> Bytes {
        let mut end = self.prefix.clone().into_bytes();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Bytes::from(end)
    }
}

/// Values of one size. Their first eight bytes tell when they were made.
#[derive(Debug, Clone)]
pub struct Values {
    epoch: Instant,
    filler: Bytes,
}

/// Size of the time stamp in a value.
const STAMP_BYTES: usize = 8;

impl Values {
    /// Values of `bytes` bytes, including the eight of the time stamp.
    pub fn new(bytes: usize) -> Self {
        let mut random = Random::new(0x5eed);
        let filler: Vec<u8> = (STAMP_BYTES..bytes.max(STAMP_BYTES)).map(|_| random.draw().to_le_bytes()[0]).collect();
        Self { epoch: pace::now(), filler: Bytes::from(filler) }
    }

    /// A new value with the current time.
    pub fn value(&self) -> Bytes {
        let mut value = BytesMut::with_capacity(STAMP_BYTES + self.filler.len());
        value.put_u64(self.nanoseconds());
        value.put_slice(&self.filler);
        value.freeze()
    }

    /// Microseconds since `value` was made by these `Values` or a clone of them. `None` if the value is too short for a
    /// time stamp, or its time stamp is in the future.
    pub fn age_us(&self, value: &[u8]) -> Option<u64> {
        let stamp = u64::from_be_bytes(value.get(..STAMP_BYTES)?.try_into().ok()?);
        Some(self.nanoseconds().checked_sub(stamp)? / 1000)
    }

    fn nanoseconds(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// xorshift64*: takes a few nanoseconds for a number, and gives the same numbers for the same seed.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator with this seed. Different seeds give different generators if they are small numbers.
    pub fn new(seed: u64) -> Self {
        Self { state: (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, or 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_order_and_below_the_end() {
        let keys = Keys { prefix: "p/".to_owned(), count: 100 };
        assert!(keys.key(9) < keys.key(10) && keys.key(99) < keys.end());
    }

    #[test]
    fn the_key_after_the_last_one_is_above_all_keys_and_below_the_extra_keys() {
        let keys = Keys { prefix: "p/".to_owned(), count: 100 };
        let behind = Keys { prefix: "p/x".to_owned(), count: 1 };
        assert!(keys.key(99) < keys.key(keys.count) && keys.key(keys.count) < behind.key(0));
        assert!(behind.key(0) < keys.end());
    }

    #[test]
    fn a_value_has_its_size_and_knows_its_age() {
        let values = Values::new(256);
        let value = values.value();
        assert_eq!(value.len(), 256);
        assert!(values.age_us(&value).unwrap() < 10_000_000);
    }
}
