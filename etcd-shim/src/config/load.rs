//! Combines command line, environment and file by etcd's rules: a file replaces everything else; a flag together with
//! its variable is refused.

use std::collections::BTreeMap;
use std::path::Path;

use naxos_proto::role::Role;

use super::assemble::assemble;
use super::error::Stop;
use super::note::Note;
use super::server_config::{Program, ServerConfig};
use super::{argv, environment, file, old_names};

/// The result of reading the configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: ServerConfig,
    /// Lines to write to the log when it has started.
    pub notes: Vec<Note>,
}

/// Which program this is, according to the file name by which it was started.
pub fn program(argv0: &str) -> Program {
    match Path::new(argv0).file_name().and_then(|n| n.to_str()) {
        Some("etcd") => Program::Etcd,
        _ => Program::Naxos,
    }
}

/// Reads the configuration from `words`, which follow the program's name on the command line, from the environment, and
/// from the configuration file if one is named there.
pub fn load(program: Program, words: &[String], environment: &BTreeMap<String, String>) -> Result<Loaded, Stop> {
    old_names::refuse_subcommand(words.first())?;
    let role = words.first().and_then(|word| Role::from_word(word));
    let line = argv::parse(if role.is_some() { &words[1..] } else { words })?;
    let mut notes = Vec::new();
    if let Some(word) = line.rest.first() {
        return Err(Stop::Invalid { error: format!("{word:?} is not a valid flag"), notes });
    }
    let mut settings = line.settings;
    if settings.bool("version") {
        return Err(Stop::Version);
    }
    let mut path = settings.text("config-file");
    if path.is_empty() {
        path = environment.get("ETCD_CONFIG_FILE").cloned().unwrap_or_default();
    }
    let from_file = !path.is_empty();
    if from_file {
        match read_file(&path, &mut notes) {
            Ok(from) => settings = from,
            Err(error) => return Err(Stop::Invalid { error, notes }),
        }
        notes.push(Note::FileLoaded(path));
    } else {
        environment::apply(&mut settings, environment, &mut notes)?;
    }
    match assemble(settings, (program, role.unwrap_or_default()), from_file, &mut notes) {
        Ok(config) => Ok(Loaded { config, notes }),
        Err(error) => Err(Stop::Invalid { error, notes }),
    }
}

fn read_file(path: &str, notes: &mut Vec<Note>) -> Result<super::settings::Settings, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("open {path}: {}", crate::os_text::os_text(&e)))?;
    file::parse(&text, notes).map_err(|e| format!("{path}: {e}"))
}
