//! Kills a server again and again, and starts it again by the same command line.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::etcd_server::EtcdServer;
use crate::pace;

/// A thread that kills.
#[derive(Debug)]
pub struct Nemesis {
    thread: JoinHandle<Result<EtcdServer, String>>,
}

impl Nemesis {
    /// `kill -9`, `kills` times, each time after `pause` of service.
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

    /// True when it has killed enough.
    pub fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end; the server runs.
    ///
    /// # Panics
    /// If the server did not come back.
    pub fn join(self) -> EtcdServer {
        let server = self.thread.join().expect("the nemesis does not panic");
        server.unwrap_or_else(|reason| panic!("after a kill: {reason}"))
    }
}
