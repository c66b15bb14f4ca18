//! `naxos-benches`: see `--help`.

use std::process::ExitCode;

/// The allocator of the servers that are compared, so that the floor servers differ from Naxos in nothing else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    naxos_benches::cli::main()
}
