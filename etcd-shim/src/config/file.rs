//! `--config-file`: YAML whose keys are the names of the flags, with two tables for certificates and one for socket
//! options, as in etcd's file.
//!
//! If there is a file, flags and variables are ignored. Keys may be in upper or lower case. Durations are nanoseconds,
//! as in etcd, or texts in Go's form. An unknown key gives a warning; etcd says nothing about it.

use serde_json::Value as Yaml;

use super::flag::{Flag, Kind};
use super::note::Note;
use super::settings::Settings;
use super::table;
use super::value::duration_text;

/// Reads the settings from the text of a file.
pub(super) fn parse(text: &str, notes: &mut Vec<Note>) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let document: Yaml = serde_saphyr::from_str(text)
        .map_err(|e| format!("error converting YAML to JSON: {}", without_hint(&e.to_string())))?;
    let top = match document {
        Yaml::Object(top) => top,
        Yaml::Null => return Ok(settings),
        _ => return Err("error unmarshaling JSON: expected a map from the names of flags to their values".to_owned()),
    };
    for (written, value) in &top {
        let key = &written.to_lowercase();
        match key.as_str() {
            "client-transport-security" => security(&mut settings, key, "", value, notes)?,
            "peer-transport-security" => security(&mut settings, key, "peer-", value, notes)?,
            "socket-options" => table_of(&mut settings, key, value, notes, |k| Some(format!("socket-{k}")))?,
            "experimental-snapshot-catch-up-entries" => {
                assign(&mut settings, key, "experimental-snapshot-catchup-entries", value)?;
            }
            // etcd's own sample file has the value `proxy`, which the command line refuses. In a file etcd accepts any
            // text for this key, and ignores it.
            "discovery-fallback" => {}
            _ if table::find(key).is_some_and(|f| !matches!(f.name, "config-file" | "version")) => {
                assign(&mut settings, key, key, value)?;
            }
            _ => notes.push(Note::KeyUnknown(written.clone())),
        }
    }
    Ok(settings)
}

/// The error without the advice that the library gives to its callers.
fn without_hint(error: &str) -> String {
    error.replace(", set DuplicateKeyPolicy in Options if acceptable", "; expected each key once")
}

/// Reads one of the two tables for certificates.
fn security(
    settings: &mut Settings,
    key: &str,
    prefix: &str,
    value: &Yaml,
    notes: &mut Vec<Note>,
) -> Result<(), String> {
    table_of(settings, key, value, notes, |inner| {
        Some(match inner {
            "cert-file"
            | "key-file"
            | "trusted-ca-file"
            | "auto-tls"
            | "client-cert-auth"
            | "client-cert-file"
            | "client-key-file"
            | "skip-client-san-verification" => format!("{prefix}{inner}"),
            "allowed-cn" => format!("{prefix}cert-allowed-cn"),
            "allowed-hostname" if prefix.is_empty() => "client-cert-allowed-hostname".to_owned(),
            "allowed-hostname" => format!("{prefix}cert-allowed-hostname"),
            _ => return None,
        })
    })
}

fn table_of(
    settings: &mut Settings,
    key: &str,
    value: &Yaml,
    notes: &mut Vec<Note>,
    flag: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    let Yaml::Object(inner) = value else {
        return if value.is_null() { Ok(()) } else { Err(format!("invalid {key}: expected a map")) };
    };
    for (name, value) in inner {
        match flag(&name.to_lowercase()).filter(|f| table::find(f).is_some()) {
            Some(flag) => assign(settings, &format!("{key}.{name}"), &flag, value)?,
            None => notes.push(Note::KeyUnknown(format!("{key}.{name}"))),
        }
    }
    Ok(())
}

/// Sets a flag to the value of a key.
fn assign(settings: &mut Settings, key: &str, flag: &str, value: &Yaml) -> Result<(), String> {
    let flag = table::find(flag).unwrap_or_else(|| panic!("--{flag} is not in the table of flags"));
    if value.is_null() {
        return Ok(());
    }
    let text =
        text_of(flag, value).ok_or_else(|| format!("invalid value {value} for {key}: expected {}", wanted(flag)))?;
    // An empty text means the default, as in etcd's file.
    if text.is_empty() && flag.kind != Kind::Text {
        return Ok(());
    }
    // The only flag of this kind is `v2-deprecation`. In a file, etcd accepts any text for it and ignores the text.
    let text = if matches!(flag.kind, Kind::Choices(_)) { String::new() } else { text };
    settings.set(flag, &text).map_err(|e| format!("invalid value {text:?} for {key}: {e}"))
}

fn text_of(flag: &Flag, value: &Yaml) -> Option<String> {
    match (flag.kind, value) {
        (Kind::Duration, Yaml::Number(n)) => whole(n)?.parse().ok().map(duration_text),
        (Kind::Bool, Yaml::Bool(b)) => Some(b.to_string()),
        (Kind::Bool, _) | (_, Yaml::Bool(_)) => None,
        (Kind::Uint | Kind::Uint32 | Kind::Int, Yaml::Number(n)) => whole(n),
        (Kind::Uint | Kind::Uint32 | Kind::Int, _) => None,
        // YAML reads `auto-compaction-retention: 5` as a number, but the flag is a text.
        (Kind::Text, Yaml::Number(n)) => Some(n.to_string()),
        (Kind::Set | Kind::List | Kind::Urls, Yaml::Array(items)) => {
            items.iter().map(|i| i.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>().map(|v| v.join(","))
        }
        (_, Yaml::String(s)) => Some(s.clone()),
        _ => None,
    }
}

/// A whole number. It may be written with a decimal point or an exponent.
fn whole(number: &serde_json::Number) -> Option<String> {
    match number.as_f64() {
        Some(n) if number.is_f64() => (n.fract() == 0.0).then(|| n.to_string()),
        _ => Some(number.to_string()),
    }
}

fn wanted(flag: &Flag) -> &'static str {
    match flag.kind {
        Kind::Bool => "true or false",
        Kind::Uint | Kind::Uint32 => "a whole number, 0 or more",
        Kind::Int => "a whole number",
        Kind::Duration => "nanoseconds or a text such as \"5s\"",
        Kind::Set | Kind::List | Kind::Urls => "a text or a list of texts",
        _ => "a text",
    }
}
