//! `naxos ctl recover`: for a cluster that has lost its quorum. It reads the data directories that are left, and makes a
//! new data directory, from which a member starts as a cluster of one. It contacts no server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use naxos_log_server::lock_directory;

use super::ctl_error::CtlError;
use super::print::print;
use crate::config::Url;
use crate::node::recover::{
    Plan, REVISIONS, REVISIONS_MAX, RecoverError, Survivor, Wishes, check_target, finish_swap, rebuild,
};
use crate::production::production;

/// The arguments of `naxos ctl recover`.
#[derive(Args, Debug)]
pub(super) struct Recover {
    /// The data directory of a surviving member. Repeat the flag for each one; no server may run on it.
    #[arg(long = "data-dir", required = true, value_name = "DIR")]
    data_dirs: Vec<PathBuf>,
    /// The new data directory, which must be empty or missing.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Name of the member that goes on. Default: the one that it had.
    #[arg(long)]
    name: Option<String>,
    /// Peer URLs of the member that goes on, with commas between them. Default: the URLs that it had.
    #[arg(long, value_delimiter = ',', value_name = "URL")]
    initial_advertise_peer_urls: Vec<String>,
    /// Raise the revision by this much, so that it is higher than every revision that the lost members gave out.
    #[arg(long, default_value_t = REVISIONS, value_parser = clap::value_parser!(u64).range(1..=REVISIONS_MAX),
          value_name = "N")]
    bump_revision: u64,
    /// Do it. Without this flag the command only looks, and says what it would do.
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub(super) async fn recover(arguments: &Recover) -> Result<(), CtlError> {
    let urls = arguments.initial_advertise_peer_urls.iter();
    let peer_urls: Result<Vec<String>, String> = urls.map(|url| Ok(Url::parse(url)?.to_string())).collect();
    let peer_urls = peer_urls.map_err(|e| CtlError::Arguments(format!("--initial-advertise-peer-urls: {e}")))?;
    let target = arguments.to.display().to_string();
    check_distinct(arguments)?;
    let mut survivors = Vec::new();
    for directory in &arguments.data_dirs {
        survivors.push(Survivor::read(directory.display().to_string(), production(directory)).await?);
    }
    let wishes = Wishes { name: arguments.name.clone(), peer_urls, revisions: arguments.bump_revision };
    let plan = Plan::make(survivors, wishes).await?;
    let seams = production(&arguments.to);
    print(&format!("{}\n", plan.describe()))?;
    if !arguments.yes {
        check_target(&*seams.disk, &target).await?;
        let steps: Vec<String> =
            plan.steps(&target).iter().enumerate().map(|(n, step)| format!("  {}. {step}", n + 1)).collect();
        return print(&format!(
            "With --yes these steps follow:\n{}\n\nNothing was changed. The --data-dir directories are never changed.\n",
            steps.join("\n")
        ));
    }
    // An earlier run may have made the whole directory, and been interrupted while it moved the directory to its place.
    if finish_swap(&*seams.disk).await? {
        let done = "An earlier run had made the new directory, and was interrupted while it moved the directory to its \
                    place. This run has finished the move.";
        return print(&format!("{done}\n{}", next_steps(&target)));
    }
    check_target(&*seams.disk, &target).await?;
    seams.disk.create_dir("").await.map_err(|e| RecoverError::Io(target.clone(), e))?;
    let _lock = lock_directory(&*seams.disk).await.map_err(|e| RecoverError::Open(format!("--to {target}"), e))?;
    // If the progress cannot be printed, the recovery goes on.
    let tell = |line: &str| drop(print(&format!("{line}\n")));
    let outcome = rebuild(&plan, &seams, &target, None, &tell).await?;
    print(&format!(
        "\nDone. The newest write that was kept has revision {}. The revision is {} now, and everything up to it counts as \
         compacted.\nThe new log {:016x} begins at position {}.\n{}",
        outcome.revision_before,
        outcome.revision,
        outcome.log.0,
        outcome.begin.0,
        next_steps(&target)
    ))
}

fn next_steps(target: &str) -> String {
    format!(
        "Now:\n  1. Put away the old directories. They cannot come back to this cluster, and must not be started.\n  2. \
         Start the member on {target}, with the flags that it had.\n  3. Add new members with empty directories, one after \
         the other: etcdctl member add.\n"
    )
}

/// No directory may be given twice.
fn check_distinct(arguments: &Recover) -> Result<(), CtlError> {
    let real = |directory: &Path| directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let mut seen = BTreeSet::new();
    for directory in arguments.data_dirs.iter().chain([&arguments.to]) {
        if !seen.insert(real(directory)) {
            return Err(CtlError::Arguments(format!(
                "{}: given twice, expected different directories",
                directory.display()
            )));
        }
    }
    Ok(())
}
