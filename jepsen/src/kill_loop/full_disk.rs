//! A server whose disk fills up. It must serve reads, refuse writes, fail `/readyz` and lose nothing. The messages of
//! refused writes are printed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::ledger::Ledger;
use super::{Plan, writers};
use crate::differential::dice::Dice;
use crate::etcd_server::EtcdServer;
use crate::kubernetes::probe;

/// Free bytes of the disk at the start of a round.
const FREE_BYTES: u64 = 128 << 20;

/// The most turns of one round. In each turn the writers write until they are refused. After the last turn at the
/// latest, `/readyz` must fail.
const TURNS_MAX: usize = 5;

/// A file that takes up room on the disk. It is removed when this value is dropped.
#[derive(Debug)]
struct Filler {
    path: PathBuf,
}

impl Filler {
    fn leaving(folder: &Path, free: u64) -> anyhow::Result<Self> {
        let filler = Filler { path: folder.join("filler") };
        let there = statvfs(folder).context("statvfs")?;
        let room = there.f_bavail * there.f_frsize;
        if room > free {
            let file = File::create(&filler.path).context("filler")?;
            fallocate(&file, FallocateFlags::empty(), 0, room - free).context("fill the disk")?;
        }
        Ok(filler)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        // The file may not exist.
        let _ = fs::remove_file(&self.path);
    }
}

/// Fills the file system of `plan.data` and gives the room back, `plan.rounds` times.
///
/// # Errors
/// The first violation: a lost write, a failed read or start, or a `/readyz` that succeeds while writes are refused.
pub fn run(plan: &Plan) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut dice = Dice::new(plan.seed);
    let mut ledger = Ledger::default();
    let folder = plan.data.parent().context("the data directory has no parent")?;
    let mut server = EtcdServer::prepare(&plan.program, &plan.data, &[]);
    server.start_again();
    for round in 1..=plan.rounds {
        let filler = Filler::leaving(folder, FREE_BYTES)?;
        for turn in 1.. {
            let refused = runtime.block_on(write_until_refused(&server, plan, &mut ledger))?;
            println!("round {round}: {ledger}; then: {refused:?}");
            let address = server.client_url().trim_start_matches("http://");
            let (code, body) = probe::get(address, "/readyz")?;
            if code != 200 {
                break;
            }
            // After a checkpoint the log can be trimmed. That makes room, so the server takes writes again. In the next
            // turn the writers fill this room.
            ensure!(turn < TURNS_MAX, "/readyz says {code} {body} while every write is refused");
        }
        runtime.block_on(ledger.check(server.client_url(), &mut dice)).context("reads on a full disk")?;
        server.kill();
        server.try_start().map_err(anyhow::Error::msg).context("start on a full disk")?;
        runtime.block_on(ledger.check(server.client_url(), &mut dice)).context("reads after a start on a full disk")?;
        drop(filler);
        server.kill();
        server.try_start().map_err(anyhow::Error::msg).context("start once there is room")?;
        runtime.block_on(ledger.check(server.client_url(), &mut dice)).context("after the restart")?;
    }
    println!("reads were served, writes were refused, /readyz failed, nothing was lost");
    Ok(())
}

async fn write_until_refused(server: &EtcdServer, plan: &Plan, ledger: &mut Ledger) -> anyhow::Result<Vec<String>> {
    let mut refused = Vec::new();
    for task in writers::start(server.client_url(), plan.writers, ledger).await? {
        let written = task.await?;
        refused.push(written.refused.clone());
        ledger.enter(written)?;
    }
    refused.dedup();
    Ok(refused)
}
