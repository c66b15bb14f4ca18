//! `naxos-benches`: see `--help`.

use std::process::ExitCode;

/// The same allocator as in Naxos, so that the floor servers do not differ from it in this.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    naxos_benches::cli::main()
}
