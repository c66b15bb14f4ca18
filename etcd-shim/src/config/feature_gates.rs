//! `--feature-gates`: switches that have etcd's names and defaults.

use std::collections::BTreeMap;

use super::go_bool::parse_bool;

/// How mature a feature is, according to etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Off by default.
    Alpha,
    /// On by default, except for `AllBeta`.
    Beta,
}

/// Name, stage and default of every gate, by name.
pub const GATES: [(&str, Stage, bool); 9] = [
    ("AllAlpha", Stage::Alpha, false),
    ("AllBeta", Stage::Beta, false),
    ("CompactHashCheck", Stage::Alpha, false),
    ("InitialCorruptCheck", Stage::Alpha, false),
    ("LeaseCheckpoint", Stage::Alpha, false),
    ("LeaseCheckpointPersist", Stage::Alpha, false),
    ("SetMemberLocalAddr", Stage::Alpha, false),
    ("StopGRPCServiceOnDefrag", Stage::Alpha, false),
    ("TxnModeWriteWithSharedBuffer", Stage::Beta, true),
];

/// The switches that were set. All others have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureGates {
    set: BTreeMap<&'static str, bool>,
}

impl FeatureGates {
    /// Reads `Name=bool` pairs separated by commas. The errors are etcd's. The one for an unknown gate also lists the
    /// known gates.
    pub fn parse(text: &str) -> Result<FeatureGates, String> {
        let mut gates = FeatureGates::default();
        for pair in text.split(',').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (name.trim(), value.trim());
            if !pair.contains('=') {
                return Err(format!("missing bool value for {name}"));
            }
            let on = parse_bool(value).ok_or_else(|| {
                format!("invalid value of {name}={value}, err: strconv.ParseBool: parsing {value:?}: invalid syntax")
            })?;
            gates.switch(name, on)?;
        }
        Ok(gates)
    }

    /// Sets one switch. `AllAlpha` and `AllBeta` also set all switches of their stage that are not set yet. Fails if
    /// there is no such switch.
    pub fn switch(&mut self, name: &str, on: bool) -> Result<(), String> {
        let known = GATES.iter().find(|(n, ..)| *n == name);
        let (name, stage, _) = known.ok_or_else(|| {
            let names: Vec<_> = GATES.iter().map(|(n, ..)| *n).collect();
            format!("unrecognized feature gate: {name}, expected one of {}", names.join(", "))
        })?;
        self.set.insert(name, on);
        if name.starts_with("All") {
            for (other, ..) in GATES.iter().filter(|(n, s, _)| s == stage && !n.starts_with("All")) {
                self.set.entry(other).or_insert(on);
            }
        }
        Ok(())
    }

    /// Whether a feature is on. A name that is not a gate counts as off.
    pub fn enabled(&self, name: &str) -> bool {
        let default = || GATES.iter().any(|(n, _, on)| *n == name && *on);
        self.set.get(name).copied().unwrap_or_else(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_read_as_in_etcd() {
        let gates = FeatureGates::parse("InitialCorruptCheck=true, TxnModeWriteWithSharedBuffer=F,").unwrap();
        assert!(gates.enabled("InitialCorruptCheck"));
        assert!(!gates.enabled("TxnModeWriteWithSharedBuffer"));
        assert!(!gates.enabled("CompactHashCheck"));
        let all = FeatureGates::parse("CompactHashCheck=false,AllAlpha=true").unwrap();
        assert!(all.enabled("LeaseCheckpoint") && !all.enabled("CompactHashCheck"));
        assert_eq!(
            FeatureGates::parse("Foo=true").unwrap_err(),
            "unrecognized feature gate: Foo, expected one of AllAlpha, AllBeta, CompactHashCheck, InitialCorruptCheck, \
             LeaseCheckpoint, LeaseCheckpointPersist, SetMemberLocalAddr, StopGRPCServiceOnDefrag, \
             TxnModeWriteWithSharedBuffer"
        );
        assert_eq!(FeatureGates::parse("LeaseCheckpoint").unwrap_err(), "missing bool value for LeaseCheckpoint");
        assert_eq!(
            FeatureGates::parse("LeaseCheckpoint=1x").unwrap_err(),
            "invalid value of LeaseCheckpoint=1x, err: strconv.ParseBool: parsing \"1x\": invalid syntax"
        );
    }
}
