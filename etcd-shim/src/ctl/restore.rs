//! `naxos ctl restore`: makes a data directory from a backup. It contacts no server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use naxos_log_server::lock_directory;
use naxos_proto::contracts::FOUNDING_SEATS_MAX;
use naxos_proto::seams::Seams;
use sha2::{Digest, Sha256};

use super::ctl_error::CtlError;
use super::print::print;
use crate::backup::{BackupError, DIGEST_BYTES, EtcdFile, MappedFile, check_digest, has_digest};
use crate::config::{Url, check_distinct, check_self, parse_members};
use crate::node::recover::{REVISIONS_MAX, RecoverError, check_target, finish_swap};
use crate::node::restore::{Founding, Outcome, RestoreError};
use crate::production::production;

/// The default of `--initial-cluster-token`.
const TOKEN: &str = "etcd-cluster";

/// The arguments of `naxos ctl restore`. Most of them are those of `etcdutl snapshot restore`.
#[derive(Args, Debug)]
pub(super) struct Restore {
    /// The backup, which `etcdctl snapshot save` has written.
    #[arg(value_name = "FILE", required_unless_present = "etcd_data_dir", conflicts_with = "etcd_data_dir")]
    file: Option<PathBuf>,
    /// The data directory of an etcd server, in the place of a file. No server may run on it. It is not changed.
    #[arg(long, value_name = "DIR")]
    etcd_data_dir: Option<PathBuf>,
    /// The new data directory, which must be empty or missing.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Name of this member.
    #[arg(long, default_value = "default")]
    name: String,
    /// The members of the new cluster, as name=peer-url with commas between them. Default: this one alone.
    #[arg(long, value_name = "MEMBERS")]
    initial_cluster: Option<String>,
    /// The token of the new cluster. With several members it must be one that was not used before.
    #[arg(long, default_value = TOKEN, value_name = "TOKEN")]
    initial_cluster_token: String,
    /// Peer URLs of this member, with commas between them.
    #[arg(long, value_delimiter = ',', default_value = "http://localhost:2380", value_name = "URLS")]
    initial_advertise_peer_urls: Vec<String>,
    /// Raise the revision by this much, so that it is above all that clients have seen. Needs --mark-compacted.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=REVISIONS_MAX), value_name = "N")]
    bump_revision: u64,
    /// Everything up to the raised revision counts as compacted. Goes with --bump-revision.
    #[arg(long)]
    mark_compacted: bool,
    /// Accept a file without a checksum, or with a wrong one. Other damage may then be found later, or never.
    #[arg(long)]
    skip_hash_check: bool,
    /// Accept a backup of a cluster with authentication. Its users and roles are left out, and authentication is off.
    #[arg(long)]
    drop_auth: bool,
}

/// Runs the command.
pub(super) async fn restore(arguments: &Restore) -> Result<(), CtlError> {
    let wrong = CtlError::Arguments;
    if (arguments.bump_revision > 0) != arguments.mark_compacted {
        return Err(wrong("--bump-revision and --mark-compacted: expected both or neither".to_owned()));
    }
    let members = members(arguments).map_err(wrong)?;
    let target = arguments.data_dir.display().to_string();
    let seams = production(&arguments.data_dir);
    // A directory that an earlier run was moving to its place is not empty.
    if finish_earlier(&seams).await? {
        return print(
            "An earlier run had made the new data directory, and was interrupted while it moved the directory to its \
             place. This run has finished the move.\n",
        );
    }
    check_target(&*seams.disk, &target).await.map_err(RestoreError::from)?;

    let (path, is_directory) = source(arguments);
    let name = path.display().to_string();
    let refused = |error| RestoreError::File(name.clone(), error);
    let mapped = MappedFile::open(&path).map_err(refused)?;
    // If the progress cannot be printed, the restore goes on.
    let tell = |line: &str| drop(print(&format!("{line}\n")));
    let content = checked_content(&mapped, arguments.skip_hash_check || is_directory, &tell).map_err(refused)?;
    let file = EtcdFile::open(content).map_err(refused)?;
    if file.has_auth && !arguments.drop_auth {
        return Err(RestoreError::Auth(name.clone()).into());
    }
    // Each member computes the ids by itself, and all must get the same ones. Other content or another revision must
    // give other ids.
    let seed = Sha256::new().chain_update(Sha256::digest(content)).chain_update(arguments.bump_revision.to_le_bytes());
    let token = &arguments.initial_cluster_token;
    let founding = Founding::new(&members, &arguments.name, token, &seed.finalize(), &*seams.entropy);
    let founding = founding.ok_or_else(|| CtlError::Arguments(format!("--name {}: not a member", arguments.name)))?;
    let left_out = file.left_out().map_err(refused)?;

    seams.disk.create_dir("").await.map_err(|e| RestoreError::Place(RecoverError::Io(target.clone(), e)))?;
    let _lock = lock_directory(&*seams.disk).await.map_err(RestoreError::New)?;
    let source = (&file, name.as_str(), content.len() as u64);
    let outcome = crate::node::restore::restore(source, &founding, arguments.bump_revision, &seams, &tell).await?;
    print(&summary(&outcome, &left_out, &target))
}

/// Finishes an earlier run, if it had made everything.
async fn finish_earlier(seams: &Seams) -> Result<bool, CtlError> {
    let is_there = seams.disk.list("").await.is_ok();
    Ok(is_there && finish_swap(&*seams.disk).await.map_err(RestoreError::from)?)
}

/// The file to read, and whether it is in a data directory of etcd.
fn source(arguments: &Restore) -> (PathBuf, bool) {
    match (&arguments.file, &arguments.etcd_data_dir) {
        (Some(file), _) => (file.clone(), false),
        (None, Some(directory)) => (directory.join(Path::new("member/snap/db")), true),
        (None, None) => unreachable!("clap demands one of the two"),
    }
}

/// The members of the new cluster.
fn members(arguments: &Restore) -> Result<BTreeMap<String, Vec<Url>>, String> {
    let parse = |text: &String| Url::parse(text).map_err(|e| format!("--initial-advertise-peer-urls: {e}"));
    let own: Vec<Url> = arguments.initial_advertise_peer_urls.iter().map(parse).collect::<Result<_, _>>()?;
    let members = match &arguments.initial_cluster {
        Some(text) => parse_members(text)?,
        None => crate::config::members_of(own.iter().map(|url| (arguments.name.clone(), url.clone()))),
    };
    check_self(&arguments.name, &own, &members)?;
    check_distinct(&members)?;
    // The ids of a cluster with several members follow from the file, the members, the token and the number by which
    // the revision is raised. A directory from an earlier restore of the same file must not be taken for one of this
    // cluster.
    if members.len() > 1 && arguments.initial_cluster_token == TOKEN {
        return Err("--initial-cluster-token: expected a token that was not used before, the same for all members; without it a \
                    data directory of an earlier restore could get into this cluster"
            .to_owned());
    }
    if members.len() > FOUNDING_SEATS_MAX {
        return Err(format!(
            "--initial-cluster: expected at most {FOUNDING_SEATS_MAX} members, found {}",
            members.len()
        ));
    }
    Ok(members)
}

/// The file without its checksum. Checks the checksum before, unless `skip` is set.
fn checked_content<'a>(mapped: &'a MappedFile, skip: bool, tell: &dyn Fn(&str)) -> Result<&'a [u8], BackupError> {
    let all = mapped.bytes();
    let has_one = has_digest(all.len());
    let content = if has_one { &all[..all.len() - DIGEST_BYTES] } else { all };
    if !skip {
        if !has_one {
            return Err(BackupError::NoDigest(all.len() as u64));
        }
        tell(&format!("checking the SHA-256 of {} bytes", content.len()));
        let mut told = 0;
        check_digest(all, |done| {
            if done - told >= TELL_BYTES {
                told = done;
                tell(&format!("  {done} bytes"));
            }
        })?;
    }
    Ok(content)
}

/// Bytes that are checked between two lines that tell the progress.
const TELL_BYTES: usize = 1 << 30;

fn summary(outcome: &Outcome, left_out: &BTreeMap<&'static str, usize>, target: &str) -> String {
    let Outcome { log, key_values, leases, revision_before, revision, compacted } = outcome;
    let raised = match revision == revision_before {
        true => String::new(),
        false => format!(" It was {revision_before} in the backup."),
    };
    let history = match compacted {
        ..=0 => "Nothing is compacted.".to_owned(),
        _ => format!("Everything below revision {compacted} is compacted."),
    };
    let left_out: Vec<String> = left_out
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(bucket, count)| format!("{count} of {bucket:?}"))
        .collect();
    let left_out = match &left_out[..] {
        [] => String::new(),
        some => format!("Not taken over: {}.\n", some.join(", ")),
    };
    format!(
        "\nDone: {key_values} revisions of keys and {leases} leases. The revision is {revision}.{raised} {history}\n{left_out}The \
         new log is {:016x}. Now start the server on {target}, with the --name, --initial-cluster, --initial-cluster-token and \
         --initial-advertise-peer-urls of this command.\n",
        log.0
    )
}
