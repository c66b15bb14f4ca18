//! Reads the value of a flag from its text.

use std::collections::BTreeSet;

use super::feature_gates::FeatureGates;
use super::flag::{Flag, Kind};
use super::go_bool::parse_bool;
use super::go_duration::{format_duration, parse_duration};
use super::go_number::{NumberError, parse_int, parse_uint};
use super::url::{Url, parse_urls};

/// The value of a flag. The flag's [`Kind`] decides the variant. Each variant names its kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `Text`, `Choice`.
    Text(String),
    /// `Bool`.
    Bool(bool),
    /// `Uint`, `Uint32`.
    Uint(u64),
    /// `Int`.
    Int(i64),
    /// `Duration`, in nanoseconds.
    Duration(i64),
    /// `Urls`.
    Urls(Vec<Url>),
    /// `Set`, `Origins`.
    Set(BTreeSet<String>),
    /// `List`, `Choices`.
    List(Vec<String>),
    /// `Gates`.
    Gates(FeatureGates),
    /// `Dropped`.
    Nothing,
}

/// Reads the text of a flag. The error is etcd's. If etcd's text does not say what was expected, that is added to it.
pub(super) fn parse_value(flag: &Flag, text: &str) -> Result<Value, String> {
    let number = |e: NumberError, expected: &str| format!("{e} (expected {expected})");
    match flag.kind {
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Bool => {
            parse_bool(text).map(Value::Bool).ok_or_else(|| "parse error (expected true or false)".to_owned())
        }
        Kind::Uint => parse_uint(text).map(Value::Uint).map_err(|e| number(e, "a whole number, 0 or more")),
        Kind::Int => parse_int(text).map(Value::Int).map_err(|e| number(e, "a whole number")),
        Kind::Uint32 => parse_uint32(text),
        Kind::Duration => parse_duration(text)
            .map(Value::Duration)
            .map_err(|_| "parse error (expected a duration such as 100ms, 5s or 1h0m0s)".to_owned()),
        Kind::Urls => {
            let text = if text.is_empty() { flag.default } else { text };
            let urls = if text.is_empty() { Ok(Vec::new()) } else { parse_urls(text) };
            urls.map(Value::Urls)
        }
        Kind::Origins if text == "*" => Ok(Value::Set(BTreeSet::from(["*".to_owned()]))),
        Kind::Origins => parse_urls(text).map(|urls| Value::Set(urls.iter().map(ToString::to_string).collect())),
        Kind::Set if text.is_empty() && flag.default.is_empty() => Ok(Value::Set(BTreeSet::new())),
        Kind::Set => Ok(Value::Set(text.split(',').map(str::to_owned).collect())),
        Kind::List if text.is_empty() => Ok(Value::List(Vec::new())),
        Kind::List => Ok(Value::List(text.split(',').map(str::to_owned).collect())),
        Kind::Choice(choices) if choices.contains(&text) => Ok(Value::Text(text.to_owned())),
        Kind::Choices(_) if text.is_empty() => Ok(Value::List(Vec::new())),
        Kind::Choices(choices) => match text.split(',').find(|t| !choices.contains(t)) {
            None => Ok(Value::List(text.split(',').map(str::to_owned).collect())),
            Some(_) => Err(format!("invalid value (expected any of {})", choices.join(", "))),
        },
        Kind::Choice(choices) => Err(format!("invalid value (expected {})", choices.join(" or "))),
        Kind::Gates => FeatureGates::parse(text).map(Value::Gates),
        Kind::Dropped => Ok(Value::Nothing),
    }
}

fn parse_uint32(text: &str) -> Result<Value, String> {
    let fail = |what: &str| {
        format!("strconv.ParseUint: parsing {text:?}: {what} (expected a whole number from 0 to {})", u32::MAX)
    };
    match parse_uint(text) {
        Ok(n) if n <= u64::from(u32::MAX) => Ok(Value::Uint(n)),
        Ok(_) | Err(NumberError::Range) => Err(fail("value out of range")),
        Err(NumberError::Syntax) => Err(fail("invalid syntax")),
    }
}

/// Writes a duration of nanoseconds as the text of a flag, because the configuration file may have plain numbers for
/// durations.
pub(super) fn duration_text(nanos: i64) -> String {
    format_duration(nanos)
}
