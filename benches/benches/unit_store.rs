//! Stores cells on a storage unit and waits until they are durable. The unit is on the file system of the target
//! folder. The calls are made one at a time, or many at once so that they share syncs.

mod unit_rig;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use naxos_benches::servers::etcd_build::target_folder;
use naxos_log_server::LogServerConfig;
use unit_rig::Rig;

fn unit_store(criterion: &mut Criterion) {
    let folder = target_folder().expect("a bench lies in the target folder");
    let mut rig = Rig::new(&folder, LogServerConfig::default());
    let mut group = criterion.benchmark_group("unit_store");
    for stores in [1, 64, 256] {
        group.throughput(Throughput::Elements(stores));
        group.bench_function(BenchmarkId::new("stores", stores), |bencher| {
            bencher.iter_custom(|rounds| rig.time(rounds, stores, 1));
        });
    }
    group.finish();
    rig.close();
}

criterion_group!(benches, unit_store);
criterion_main!(benches);
