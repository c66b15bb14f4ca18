//! The naxos program under another name, with the same `main`. As a binary of this package it is built by cargo before
//! the package's tests run.

use std::process::ExitCode;

fn main() -> ExitCode {
    naxos::run()
}
