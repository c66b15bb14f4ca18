//! The `naxos` program. A link or a copy of it with the file name `etcd` does the same, but its default data directory
//! has etcd's name.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    naxos::run()
}
