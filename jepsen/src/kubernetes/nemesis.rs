//! Kills a server again and again, and starts it with the same command line.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::etcd_server::EtcdServer;
use crate::pace;

/// The thread that kills a server.
#[derive(Debug)]
pub struct Nemesis {
    thread: JoinHandle<Result<EtcdServer, String>>,
}

impl Nemesis {
    /// Kills the server `kills` times, each time after it has served for `pause`.
    pub fn start(mut server: EtcdServer, kills: u32, pause: Duration) -> Self {
        let thread = pace::thread("nemesis", move || {
            for _ in 0..kills {
                pace::sleep(pause);
                server.kill();
                server.try_start()?;
            }
            Ok(server)
        });
        Nemesis { thread }
    }

    /// Whether the thread has ended: it has done all its kills, or the server did not start again after one.
    pub fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until all kills are done and returns the running server.
    ///
    /// # Panics
    /// If the server did not come back.
    pub fn join(self) -> EtcdServer {
        let server = self.thread.join().expect("the nemesis does not panic");
        server.unwrap_or_else(|reason| panic!("after a kill: {reason}"))
    }
}
