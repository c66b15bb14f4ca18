//! The `naxos` program as its next release would be: for the test of rolling upgrades (`naxos_proto::release`). It is
//! built only with the feature `next-release`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    naxos::run()
}
