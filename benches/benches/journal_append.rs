//! Measures appends to the journal without the cost of a disk. What remains is encoding, checksums, the index and the
//! hand-over to the committer. The unit is on a memory file system, where a sync costs nothing, and its syncs are not
//! paced.

mod unit_rig;

use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use naxos_log_server::LogServerConfig;
use unit_rig::Rig;

/// The memory file system of Linux.
const MEMORY: &str = "/dev/shm";

fn journal_append(criterion: &mut Criterion) {
    if !Path::new(MEMORY).is_dir() {
        println!("journal_append skipped: needs {MEMORY}");
        return;
    }
    let config = LogServerConfig { pace: Duration::ZERO, reserve_bytes: 0, ..LogServerConfig::default() };
    let mut rig = Rig::new(Path::new(MEMORY), config);
    let mut group = criterion.benchmark_group("journal_append");
    for cells in [1, 64, 1024] {
        group.throughput(Throughput::Elements(cells));
        group.bench_function(BenchmarkId::new("cells", cells), |bencher| {
            bencher.iter_custom(|rounds| rig.time(rounds, 1, cells));
        });
    }
    group.finish();
    rig.close();
}

criterion_group!(benches, journal_append);
criterion_main!(benches);
