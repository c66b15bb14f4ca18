//! Ends before the start: help, versions, bad flags.

use std::io::Write;
use std::process::ExitCode;

use crate::config::{Stop, help, usage};
use crate::version;

/// The command line does not read.
const BAD_COMMAND_LINE: u8 = 2;

/// What there is to print for a stop that needs no log; None when it needs one.
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

/// As `print!`, but a reader that went away (`naxos --help | head`) is no panic.
fn print(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}
