//! The settings as texts: for each flag the text that a source gave it. The sources (command line, environment, file)
//! differ only in how they fill [`Settings`].

use std::collections::BTreeMap;

use super::flag::{Flag, Kind};
use super::table;
use super::value::{Value, parse_value};

/// The text of each flag that was set. A flag that is absent has its default.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    texts: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Sets a flag if its text is valid. A later setting replaces an earlier one; feature gates are added to the
    /// earlier ones.
    pub(super) fn set(&mut self, flag: &'static Flag, text: &str) -> Result<(), String> {
        parse_value(flag, text)?;
        let text = match self.texts.get(flag.name) {
            Some(before) if flag.kind == Kind::Gates => format!("{before},{text}"),
            _ => text.to_owned(),
        };
        self.texts.insert(flag.name, text);
        Ok(())
    }

    /// Whether a source has set the flag.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }

    /// The flags that were set, ordered by name.
    pub(super) fn explicit(&self) -> impl Iterator<Item = &'static Flag> {
        self.texts.keys().filter_map(|name| table::find(name))
    }

    /// Removes a setting, so that the flag has its default again.
    pub(super) fn forget(&mut self, name: &str) {
        self.texts.remove(name);
    }

    /// The text of a flag; its default if it was not set.
    pub(super) fn text_of(&self, flag: &'static Flag) -> &str {
        self.texts.get(flag.name).map_or(flag.default, String::as_str)
    }

    /// The value of the flag with this name, which must be in the table.
    fn value(&self, name: &str) -> Value {
        let flag = table::find(name).unwrap_or_else(|| panic!("--{name} is not in the table of flags"));
        parse_value(flag, self.text_of(flag)).unwrap_or_else(|e| panic!("--{name}: {e}"))
    }

    /// The value of a text flag.
    pub(super) fn text(&self, name: &str) -> String {
        match self.value(name) {
            Value::Text(v) => v,
            other => panic!("--{name} is no text: {other:?}"),
        }
    }

    /// The value of a boolean flag.
    pub(super) fn bool(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Bool(v) => v,
            other => panic!("--{name} is no boolean: {other:?}"),
        }
    }

    /// The value of a flag that is an unsigned number.
    pub(super) fn uint(&self, name: &str) -> u64 {
        match self.value(name) {
            Value::Uint(v) => v,
            other => panic!("--{name} is no unsigned number: {other:?}"),
        }
    }

    /// The value of a flag that is a signed number, or the nanoseconds of a duration.
    pub(super) fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Int(v) | Value::Duration(v) => v,
            other => panic!("--{name} is no number: {other:?}"),
        }
    }

    /// The URLs of a flag.
    pub(super) fn urls(&self, name: &str) -> Vec<super::url::Url> {
        match self.value(name) {
            Value::Urls(v) => v,
            other => panic!("--{name} holds no URLs: {other:?}"),
        }
    }

    /// The texts of a flag that holds a set; their order has no meaning.
    pub(super) fn set_of(&self, name: &str) -> std::collections::BTreeSet<String> {
        match self.value(name) {
            Value::Set(v) => v,
            other => panic!("--{name} is no set: {other:?}"),
        }
    }

    /// The texts of a flag, in order.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Value::List(v) => v,
            other => panic!("--{name} is no list: {other:?}"),
        }
    }

    /// The feature gates of a flag.
    pub(super) fn gates(&self, name: &str) -> super::feature_gates::FeatureGates {
        match self.value(name) {
            Value::Gates(v) => v,
            other => panic!("--{name} holds no gates: {other:?}"),
        }
    }
}
