//! Durations in the form that Go's `time.ParseDuration` reads and `Duration.String` writes. A duration is a signed
//! number of nanoseconds with 64 bits.

/// Why a text is not a duration. The messages are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text does not have the form of a duration, or the duration does not fit into 64 bits.
    #[error("time: invalid duration {0:?}")]
    Syntax(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit that Go does not know.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The text in the place of the unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration. Returns its nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let syntax = || DurationError::Syntax(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(syntax());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(syntax());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let unit = &after[..end];
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
        };
        total = total.checked_add(part(whole, fraction, *size).ok_or_else(syntax)?).ok_or_else(syntax)?;
        rest = &after[end..];
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| syntax())
}

/// Writes a duration of nanoseconds as Go does: `1h0m0s`, `1.5s`, `100ms`, `0s`.
pub fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    match n {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{n}ns"),
        1_000..1_000_000 => format!("{sign}{}\u{b5}s", decimal(n, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(n, 1_000_000)),
        _ => {
            let seconds = decimal(n % 60_000_000_000, 1_000_000_000);
            match n / 60_000_000_000 {
                0 => format!("{sign}{seconds}s"),
                m if m < 60 => format!("{sign}{m}m{seconds}s"),
                m => format!("{sign}{}h{}m{seconds}s", m / 60, m % 60),
            }
        }
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// `whole.fraction` times `size`. The size of each decimal place is rounded down to whole nanoseconds before it is
/// multiplied by the digit.
fn part(whole: &str, fraction: &str, size: i128) -> Option<i128> {
    // Only what does not fit into 128 bits is refused here. The caller checks that the total fits into 64 bits.
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut sum = whole.checked_mul(size)?;
    let mut scale = size;
    for digit in fraction.bytes().take(20) {
        scale /= 10;
        sum += i128::from(digit - b'0') * scale;
    }
    Some(sum)
}

fn decimal(n: u64, unit: u64) -> String {
    let rest = n % unit;
    if rest == 0 {
        return (n / unit).to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{}.{}", n / unit, format!("{rest:0width$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go() {
        let table = [
            ("0", 0),
            ("100ms", 100_000_000),
            ("1h0m0s", 3_600_000_000_000),
            ("1\u{b5}s", 1_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("-1m", -60_000_000_000),
            ("+3ns", 3),
        ];
        for (text, nanos) in table {
            assert_eq!(parse_duration(text), Ok(nanos), "{text}");
        }
        for text in ["", "-", ".", "s", "1h5", "5", "3 s", "1d", "9999999999h", "1e3s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(parse_duration("5").unwrap_err().to_string(), "time: missing unit in duration \"5\"");
        assert_eq!(parse_duration("x").unwrap_err().to_string(), "time: invalid duration \"x\"");
        assert_eq!(parse_duration("1d").unwrap_err().to_string(), "time: unknown unit \"d\" in duration \"1d\"");
    }

    #[test]
    fn durations_print_as_in_go_and_read_back() {
        let table = [
            (0, "0s"),
            (1_500_000_000, "1.5s"),
            (7_200_000_000_000, "2h0m0s"),
            (100_000_000, "100ms"),
            (1_000, "1\u{b5}s"),
            (90_000_000_000, "1m30s"),
            (-1_000_000, "-1ms"),
        ];
        for (nanos, text) in table {
            assert_eq!(format_duration(nanos), text);
            assert_eq!(parse_duration(text), Ok(nanos));
        }
    }
}
