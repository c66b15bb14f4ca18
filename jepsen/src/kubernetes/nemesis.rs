//! Kills servers again and again, one at a time, and starts each with the same command line.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::differential::dice::Dice;
use crate::etcd_server::EtcdServer;
use crate::pace;

/// The thread that kills servers.
#[derive(Debug)]
pub struct Nemesis {
    thread: JoinHandle<Result<Vec<EtcdServer>, String>>,
}

impl Nemesis {
    /// Makes `kills` kills, each of a server that `seed` chooses. Before each kill, all servers serve for `pause`.
    pub fn start(mut servers: Vec<EtcdServer>, kills: u32, pause: Duration, seed: u64) -> Self {
        let thread = pace::thread("nemesis", move || {
            let mut dice = Dice::new(seed);
            for _ in 0..kills {
                pace::sleep(pause);
                let chosen = usize::try_from(dice.below(servers.len() as u64)).expect("few servers");
                servers[chosen].kill();
                servers[chosen].try_start()?;
            }
            Ok(servers)
        });
        Nemesis { thread }
    }

    /// Whether the thread has ended: it has done all its kills, or a server did not start again after its kill.
    pub fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until all kills are done and returns the running servers.
    ///
    /// # Panics
    /// If a server did not come back.
    pub fn join(self) -> Vec<EtcdServer> {
        let servers = self.thread.join().expect("the nemesis does not panic");
        servers.unwrap_or_else(|reason| panic!("after a kill: {reason}"))
    }
}
