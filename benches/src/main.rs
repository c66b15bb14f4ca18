//! `naxos-benches`: see `--help`.

use std::process::ExitCode;

/// The same allocator as in Naxos, so that the floor servers and Naxos do not differ in the cost of allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    naxos_benches::cli::main()
}
