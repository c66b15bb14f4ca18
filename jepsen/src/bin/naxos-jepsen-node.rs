//! The naxos program as a part of this package, so that its tests have it built: the same `main`, under any name.

use std::process::ExitCode;

fn main() -> ExitCode {
    naxos::run()
}
