//! The `ETCD_*` variables of the environment. Each flag except `--version` has a variable. If a flag and its variable
//! are both set, the start is refused. A variable that is unknown or empty gives a warning.

use std::collections::BTreeMap;

use super::error::Stop;
use super::note::Note;
use super::settings::Settings;
use super::table;

/// Adds the settings of the environment to those of the command line.
pub(super) fn apply(
    settings: &mut Settings,
    environment: &BTreeMap<String, String>,
    notes: &mut Vec<Note>,
) -> Result<(), Stop> {
    if let Some(version) = environment.get("ETCD_VERSION").filter(|v| !v.is_empty()) {
        notes.push(Note::VersionVariable(version.clone()));
    }
    let on_command_line: Vec<&str> = settings.explicit().map(|f| f.name).collect();
    let mut failure = None;
    for flag in table::flags().filter(|f| f.name != "version" && !on_command_line.contains(&f.name)) {
        let Some((name, value)) = environment.get_key_value(&flag.variable()).filter(|(_, v)| !v.is_empty()) else {
            continue;
        };
        match settings.set(flag, value) {
            Ok(()) => notes.push(Note::VariableUsed { name: name.clone(), value: value.clone() }),
            Err(error) => failure = Some(format!("invalid value {value:?} for {name}: {error}")),
        }
    }
    for (name, value) in environment.iter().filter(|(n, _)| n.starts_with("ETCD_") && *n != "ETCD_VERSION") {
        let flag = table::flags().find(|f| f.variable() == *name);
        match flag {
            Some(flag) if on_command_line.contains(&flag.name) => {
                return Err(Stop::Conflict { variable: name.clone(), notes: std::mem::take(notes) });
            }
            Some(_) if !value.is_empty() => {}
            _ => notes.push(Note::VariableUnknown(format!("{name}={value}"))),
        }
    }
    match failure {
        Some(error) => Err(Stop::Invalid { error, notes: std::mem::take(notes) }),
        None => Ok(()),
    }
}
