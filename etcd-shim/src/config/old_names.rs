//! Deprecated names, flags without effect, and flags whose feature is not built yet.

use super::error::Stop;
use super::feature_gates::FeatureGates;
use super::flag::Handling;
use super::note::Note;
use super::settings::Settings;
use super::table;
use super::table_member::GATED;
use super::value::parse_value;

/// Gives the values of old names to the flags with the new names. Returns the feature gates, also those that were set
/// by old names.
pub(super) fn resolve(settings: &mut Settings, notes: &mut Vec<Note>) -> Result<FeatureGates, String> {
    let mut gates = settings.gates("feature-gates");
    let given: Vec<_> = settings.explicit().collect();
    let gate_text = table::find("feature-gates").map(|f| settings.text_of(f).to_owned()).unwrap_or_default();
    for flag in given {
        match flag.handling {
            Handling::Renamed(new) => {
                if settings.is_set(new) {
                    return Err(both(flag.name, new));
                }
                notes.push(Note::Deprecated { old: flag.name, new: format!("--{new}") });
                let text = settings.text_of(flag).to_owned();
                let target = table::find(new).unwrap_or_else(|| panic!("--{new} is not in the table of flags"));
                settings.set(target, &text)?;
                settings.forget(flag.name);
            }
            Handling::Gate(feature) => {
                let on = settings.bool(flag.name);
                if gate_text.contains(feature) {
                    let set = gates.enabled(feature);
                    return Err(format!(
                        "cannot specify both flags: --{}={on} and --feature-gates={feature}={set} at the same time, please just use --feature-gates={feature}={set}",
                        flag.name
                    ));
                }
                notes.push(Note::Deprecated { old: flag.name, new: format!("--feature-gates={feature}={on}") });
                gates.switch(feature, on)?;
            }
            _ => {}
        }
    }
    if gates.enabled("LeaseCheckpointPersist") && !gates.enabled("LeaseCheckpoint") {
        return Err(
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint".to_owned()
        );
    }
    Ok(gates)
}

fn both(old: &str, new: &str) -> String {
    if new == "warning-unary-request-duration" {
        // etcd has a message of its own for this pair.
        return format!("both --{old} and --{new} flags are set. Use only --{new}");
    }
    format!("cannot set --{old} and --{new} at the same time, please use --{new} only")
}

/// Refuses flags that ask for a feature that is not built yet, or for etcd's removed v2 proxy. A flag of such a feature
/// may have its default value. Returns the names of the flags that were set but have no effect.
pub(super) fn refuse_not_built(settings: &Settings, notes: &mut Vec<Note>) -> Result<Vec<String>, String> {
    let mut ignored = Vec::new();
    for flag in settings.explicit() {
        match flag.handling {
            Handling::NotBuilt(what)
                if parse_value(flag, settings.text_of(flag)) != parse_value(flag, flag.default) =>
            {
                return Err(format!("--{} is not built yet: {what}", flag.name));
            }
            Handling::Ignored(why) => {
                notes.push(Note::Ignored { flag: flag.name, why });
                ignored.push(flag.name.to_owned());
            }
            Handling::Gate(_) => {
                notes.push(Note::Ignored { flag: flag.name, why: GATED });
                ignored.push(flag.name.to_owned());
            }
            _ => {}
        }
    }
    if settings.text("discovery-fallback") == "proxy" {
        return Err("v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"".to_owned());
    }
    Ok(ignored)
}

/// Refuses the subcommands of etcd that are programs of their own.
pub(super) fn refuse_subcommand(word: Option<&String>) -> Result<(), Stop> {
    match word.map(String::as_str) {
        Some(word @ ("gateway" | "grpc-proxy")) => Err(Stop::Invalid {
            error: format!("the subcommand {word} is not built: run etcd's own {word}, which works in front of Naxos"),
            notes: Vec::new(),
        }),
        _ => Ok(()),
    }
}
