//! Numbers as Go's `strconv` reads them if it is called with base 0. The beginning of the number (`0x`, `0o`, `0b` or
//! `0`) then chooses the base, and there may be single underscores between digits.

/// Why a text is not a number. The messages are Go's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NumberError {
    /// The text does not have the form of a number.
    #[error("parse error")]
    Syntax,
    /// Too large or too small.
    #[error("value out of range")]
    Range,
}

/// Reads an unsigned number.
pub(super) fn parse_uint(text: &str) -> Result<u64, NumberError> {
    let (base, digits) = split_base(text)?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(NumberError::Syntax);
    }
    u64::from_str_radix(&digits, base).map_err(|_| NumberError::Range)
}

/// Reads a signed number.
pub(super) fn parse_int(text: &str) -> Result<i64, NumberError> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let value = i128::from(parse_uint(rest)?);
    i64::try_from(if negative { -value } else { value }).map_err(|_| NumberError::Range)
}

/// Returns the base, and the digits without underscores.
fn split_base(text: &str) -> Result<(u32, String), NumberError> {
    let lower = text.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => return plain_digits(&lower).map(|d| (10, d)),
    };
    // After a prefix, one underscore may come before the digits: 0x_ff.
    plain_digits(digits.strip_prefix('_').unwrap_or(digits)).map(|d| (base, d))
}

fn plain_digits(digits: &str) -> Result<String, NumberError> {
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return Err(NumberError::Syntax);
    }
    Ok(digits.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_numbers_read_as_in_go() {
        let good =
            [("0", 0), ("10", 10), ("0x1F", 31), ("010", 8), ("0o17", 15), ("0b101", 5), ("1_000", 1000), ("0x_f", 15)];
        for (text, value) in good {
            assert_eq!(parse_uint(text), Ok(value), "{text}");
        }
        for text in ["", "-1", "+1", "1e9", "08", "0x", "_1", "1_", "1__0", "1 ", "abc", "1.5", "\u{663}"] {
            assert_eq!(parse_uint(text), Err(NumberError::Syntax), "{text}");
        }
        assert_eq!(parse_uint("99999999999999999999"), Err(NumberError::Range));
    }

    #[test]
    fn signed_numbers_read_as_in_go() {
        for (text, value) in [("-5", -5), ("+5", 5), ("-9223372036854775808", i64::MIN)] {
            assert_eq!(parse_int(text), Ok(value), "{text}");
        }
        assert_eq!(parse_int("9223372036854775808"), Err(NumberError::Range));
        assert_eq!(parse_int("--5"), Err(NumberError::Syntax));
    }
}
