//! The naxos program as a binary of this package, so that its tests have it built. It is the same `main` under another
//! name.

use std::process::ExitCode;

fn main() -> ExitCode {
    naxos::run()
}
