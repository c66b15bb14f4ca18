//! Crash images of a whole node: the power is cut at the k-th sync, for every k. A random part of the unsynced bytes
//! survives, and a node starts on the disk as the power cut left it. Every acknowledged write must be there, and no
//! write may be there in part.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use naxos_jepsen::pace;
use naxos_jepsen::simulator::calls::Caller;
use naxos_jepsen::simulator::host::Host;
use naxos_jepsen::simulator::pipes::Pipes;
use naxos_jepsen::simulator::record::Shared;
use naxos_jepsen::simulator::trace::Trace;
use naxos_jepsen::simulator::workload::Client;
use naxos_jepsen::simulator::{audit, check};

/// Number of clients that write at the same time.
const CLIENTS: u64 = 3;
/// Number of calls of each client.
const STEPS: usize = 12;
/// Pause after each half of the work. It is longer than the age at which the local store writes a checkpoint of its
/// newest changes, so that there is a checkpoint between the two halves.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(1_100);
/// Number of crash images for each sync. In each of them another random part of the unsynced bytes survives.
const SURVIVORS: u64 = 4;
/// If the node has not done its work after this long in simulated time, and the power was not cut, the node hangs.
const HANG: Duration = Duration::from_secs(30);

/// How one life of the node ended. A life begins with a start of the node.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The node did all its work.
    Done,
    /// The power was cut: the drive froze at the chosen sync.
    Frozen,
}

/// The state of one crash image.
struct Run {
    host: Host,
    record: Shared,
    seed: u64,
    context: String,
}

impl Run {
    fn new(k: u64, survivors: u64) -> Self {
        let seed = k * 1_000 + survivors;
        let context = format!("crash at sync {k}, survivors {survivors}");
        Run { host: Host::alone("node", seed), record: Shared::default(), seed, context }
    }

    /// Runs a node from its start to its end, in a runtime of its own. First the history of the node's keys is read and
    /// checked. Then the clients work.
    fn live(&self, salt: u64, steps: usize) -> End {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let local = tokio::task::LocalSet::new();
        let end = local.block_on(&runtime, async {
            let (pipes, life) = (Pipes::default(), self.host.drive().life());
            let node = self.host.clone().run(Arc::new(pipes.clone()));
            tokio::select! {
                biased;
                () = self.work(&pipes, salt, steps) => End::Done,
                ended = node => panic!("{}: the node ended: {ended:?}", self.context),
                () = self.frozen(life) => End::Frozen,
            }
        });
        // The drive crashes before the node's tasks are dropped, because their destructors would sync.
        self.host.drive().crash();
        end
    }

    async fn frozen(&self, life: u64) {
        for _ in 0..HANG.as_millis() {
            pace::pause(Duration::from_millis(1)).await;
            if self.host.drive().life() != life {
                return;
            }
        }
        panic!("{}: the node hangs", self.context);
    }

    async fn work(&self, pipes: &Pipes, salt: u64, steps: usize) {
        let (caller, trace) = (Caller::new(pipes.channel()), Trace::default());
        audit::finish(&caller, &self.record, &trace).await;
        for half in 0..2 {
            let clients = (0..CLIENTS).map(|client| {
                // No two clients have the same name, not even in different lives, so that all values differ.
                let name = salt * 100 + half * 10 + client;
                let mut client = Client::new(name, caller.clone(), &self.record, &trace, self.seed);
                async move {
                    for _ in 0..steps {
                        client.step().await;
                    }
                }
            });
            join_all(clients).await;
            if steps > 0 {
                pace::pause(CHECKPOINT_WAIT).await;
            }
        }
    }

    fn check(&self) {
        let broken = check::violations(&self.record.borrow());
        assert!(broken.is_empty(), "{}:\n{}", self.context, broken.join("\n"));
    }
}

#[test]
fn a_crash_at_every_sync_keeps_what_was_acknowledged() {
    let mut k = 1;
    let (mut images, mut writes, mut second_freezes) = (0, 0, 0);
    loop {
        let mut any_frozen = false;
        for survivors in 0..SURVIVORS {
            let run = Run::new(k, survivors);
            run.host.drive().freeze_at_sync(k);
            any_frozen |= run.live(0, STEPS) == End::Frozen;
            // Half of the restarts are interrupted as well, because recovery must survive its own crash.
            if survivors % 2 == 1 {
                run.host.drive().freeze_at_sync(1 + (k * 7 + survivors) % 30);
                second_freezes += u64::from(run.live(1, 3) == End::Frozen);
            }
            assert_eq!(run.live(2, 0), End::Done, "{}", run.context);
            run.check();
            writes += run.record.borrow().writes();
            images += 1;
        }
        if !any_frozen {
            break;
        }
        k += 1;
    }
    println!("{images} images, {k} syncs, {second_freezes} crashes of a restart, {writes} acknowledged writes");
    assert!(k > 40, "the work has only {k} syncs");
}
