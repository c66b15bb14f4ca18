//! kubectl, and the objects in its output.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::{Ended, Process, finish};

/// Runs kubectl for one cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

/// Name and version of an object in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub resource_version: u64,
}

impl Kubectl {
    /// A client for the cluster of a kubeconfig. Its cache is placed below `home`.
    pub fn new(program: &Path, kubeconfig: &Path, home: &Path) -> Self {
        Kubectl { program: program.to_owned(), kubeconfig: kubeconfig.to_owned(), home: home.to_owned() }
    }

    /// Runs one command to its end.
    pub fn run(&self, line: &str) -> Ended {
        self.run_with(line, "")
    }

    /// Runs one command that reads `input`.
    pub fn run_with(&self, line: &str, input: &str) -> Ended {
        let mut command = self.command(line);
        command.arg("--request-timeout=30s");
        finish(command, input)
    }

    /// Starts a command that keeps running.
    pub fn start(&self, line: &str) -> Process {
        Process::start("kubectl", self.command(line))
    }

    /// Runs a command and returns the list of objects that it prints.
    ///
    /// # Errors
    /// The error message of kubectl, or of the JSON parser.
    pub fn list(&self, line: &str) -> Result<Vec<Named>, String> {
        let ended = self.run(&format!("{line} -o json"));
        if !ended.success {
            return Err(ended.stderr);
        }
        let list: Value = serde_json::from_str(&ended.stdout).map_err(|e| e.to_string())?;
        Ok(list["items"].as_array().map(|items| items.iter().map(named).collect()).unwrap_or_default())
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("HOME", &self.home).env("KUBECONFIG", &self.kubeconfig).args(line.split_whitespace());
        command
    }
}

/// Name and version of a JSON object.
pub fn named(object: &Value) -> Named {
    let metadata = &object["metadata"];
    Named {
        name: metadata["name"].as_str().unwrap_or_default().to_owned(),
        resource_version: metadata["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default(),
    }
}

/// The objects that a command with `-o json` printed, in order.
pub fn printed(stdout: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(stdout).into_iter::<Value>();
    // If the command was stopped while it printed, the last object is cut off.
    values.map_while(Result::ok).flat_map(items).collect()
}

fn items(object: Value) -> Vec<Value> {
    match object["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![object],
    }
}
