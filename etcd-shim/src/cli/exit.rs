//! The cases in which the program ends before it opens its log: `--help`, `--version`, a command line that cannot be
//! read.

use std::io::Write;
use std::process::ExitCode;

use crate::config::{Stop, help, usage};
use crate::version;

/// The exit code for a command line that cannot be read.
const BAD_COMMAND_LINE: u8 = 2;

/// Prints the text of a stop that is not written to the log, and returns the exit code. `None` if the stop has to be
/// written to the log.
pub(super) fn without_log(stop: &Stop, program: &str) -> Option<ExitCode> {
    match stop {
        Stop::Usage(error) => {
            print(std::io::stderr(), &format!("{error}\n{}", usage(program)));
            Some(ExitCode::from(BAD_COMMAND_LINE))
        }
        Stop::Help => {
            print(std::io::stderr(), &usage(program));
            print(std::io::stdout(), &help());
            Some(ExitCode::SUCCESS)
        }
        Stop::Version => {
            let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
            let versions = (version::ETCD, version::NAXOS);
            let text = format!("etcd Version: {}\nNaxos Version: {}\nOS/Arch: {os}/{arch}\n", versions.0, versions.1);
            print(std::io::stdout(), &text);
            Some(ExitCode::SUCCESS)
        }
        Stop::Invalid { .. } | Stop::Conflict { .. } => None,
    }
}

/// Prints like `print!`, but does not panic if the reader has gone (`naxos --help | head`).
fn print(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}
