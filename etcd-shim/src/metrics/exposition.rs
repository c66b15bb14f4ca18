//! Converts OpenMetrics text, which prometheus-client writes, to Prometheus text of format 0.0.4, which etcd writes.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Converts `text`. `counters` maps the name of a counter in the registry to its exact name.
pub(super) fn to_prometheus(text: &str, counters: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let done = if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            writeln!(out, "# HELP {} {}", exact(name, counters), help.strip_suffix('.').unwrap_or(help))
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            writeln!(out, "# TYPE {} {kind}", exact(name, counters))
        } else if line.starts_with('#') || line.is_empty() {
            // "# EOF" and "# UNIT" have no meaning in this format.
            Ok(())
        } else {
            let end = line.find(['{', ' ']).unwrap_or(line.len());
            let (name, rest) = line.split_at(end);
            let base = name.strip_suffix("_total").filter(|b| counters.contains_key(*b));
            let name = base.map_or(name, |b| exact(b, counters));
            writeln!(out, "{name}{}", rest.replace("{}", ""))
        };
        done.expect("writing to a string does not fail");
    }
    out
}

fn exact<'a>(name: &'a str, counters: &'a BTreeMap<String, String>) -> &'a str {
    counters.get(name).map_or(name, String::as_str)
}
