//! `--force-new-cluster`: makes a cluster of one from a member's own data directory, and puts it where that directory
//! was.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use naxos_log_server::OpenError;
use naxos_proto::contracts::Joining;
use naxos_proto::peer::RemoteJoining;
use naxos_proto::seams::Seams;

use super::recovered_file::{self, FILE};
use super::{Plan, REVISIONS, RecoverError, Survivor, Wishes, rebuild};
use crate::config::{ServerConfig, Url};
use crate::node::cluster::{MEMBERS_FILE, MemberAddress, read_members};
use crate::state::Applicator;

/// How long the other members may take to say that they have a quorum.
const ASK_MAX: Duration = Duration::from_secs(2);

/// Makes a cluster of one, unless the directory holds no cluster yet or is a cluster of one already. A directory that
/// was made by a recovery or a restore stays as it is, so that a flag that was left in the configuration of a service
/// manager such as systemd does not throw out members that were added later. Refuses if another member has a quorum.
/// # Cancel safety
/// As [`rebuild`].
pub(in crate::node) async fn force_new_cluster(
    config: &ServerConfig,
    seams: &Seams,
    applicator: Option<Arc<dyn Applicator>>,
) -> Result<(), RecoverError> {
    let directory = config.data_dir.display().to_string();
    if let Some(earlier) = recovered_file::read(&*seams.disk, FILE).await? {
        tracing::warn!(
            made = earlier.time,
            "--force-new-cluster has no effect: a recovery or a restore has made this data directory already. Remove \
             the flag. If the quorum is lost, use `naxos ctl recover`"
        );
        return Ok(());
    }
    let survivor = match Survivor::read(directory.clone(), seams.clone()).await {
        Ok(survivor) => survivor,
        Err(RecoverError::Open(_, OpenError::NoData | OpenError::Unusable(_)) | RecoverError::NoLog(_)) => {
            tracing::warn!("--force-new-cluster has no effect: the data directory holds no cluster yet");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if survivor.is_alone() {
        tracing::warn!("--force-new-cluster has no effect: this member is a cluster of one already. Remove the flag");
        return Ok(());
    }
    let listed = config.cluster.members.len();
    if config.cluster.is_compared && listed > 1 {
        return Err(RecoverError::Several(listed));
    }
    refuse_beside_a_quorum(config, seams, &survivor).await?;
    let urls = config.advertise_peer_urls.iter().map(ToString::to_string).collect();
    let wishes = match survivor.listed() {
        Some(_) => Wishes { name: None, peer_urls: Vec::new(), revisions: REVISIONS },
        None => Wishes { name: Some(config.name.clone()), peer_urls: urls, revisions: REVISIONS },
    };
    let plan = Plan::make(vec![survivor], wishes).await?;
    let tell = |line: &str| tracing::warn!("--force-new-cluster: {}", line.trim_start());
    plan.describe().lines().filter(|line| !line.is_empty()).for_each(tell);
    let outcome = rebuild(&plan, seams, &directory, applicator, &tell).await?;
    tracing::warn!(
        "new-log" = %format!("{:016x}", outcome.log.0),
        "revision-before" = outcome.revision_before,
        revision = outcome.revision,
        "--force-new-cluster: this member is a cluster of one now. Remove the flag. What was there before is in the folder \
         before-recovery-* of the data directory"
    );
    Ok(())
}

/// Refuses if another member has a quorum: then two clusters would go on.
async fn refuse_beside_a_quorum(config: &ServerConfig, seams: &Seams, survivor: &Survivor) -> Result<(), RecoverError> {
    let asked = urls_of_others(config, seams, survivor).await?.into_iter().map(|url| async move {
        let address = MemberAddress::of(&seams.net, config, std::slice::from_ref(&url)).ok()?;
        let joining = RemoteJoining::new(&seams.clock, address.address(), Arc::new(address));
        tokio::select! {
            biased;
            view = joining.look() => (view.ok()?.log == survivor.log).then(|| url.to_string()),
            () = seams.clock.sleep(ASK_MAX) => None,
        }
    });
    match join_all(asked).await.into_iter().flatten().next() {
        Some(url) => Err(RecoverError::HasQuorum(url)),
        None => Ok(()),
    }
}

/// The peer URLs of the other members, from all places that may know them. The local store may lack the latest changes
/// of the members, so the file `members` and the flags are looked at, too.
async fn urls_of_others(
    config: &ServerConfig,
    seams: &Seams,
    survivor: &Survivor,
) -> Result<BTreeSet<Url>, RecoverError> {
    let stored = survivor.store.as_ref().map(|store| store.kept.members.clone()).unwrap_or_default();
    let stored = stored.into_values().map(|member| (member.id, member.peer_ur_ls));
    let remembered =
        read_members(&*seams.disk).await.map_err(|error| RecoverError::Io(MEMBERS_FILE.to_owned(), error))?;
    let remembered = remembered.unwrap_or_default().members.into_iter().map(|(id, member)| (id.0, member.peer_urls));
    let others = stored.chain(remembered).filter(|(id, _)| *id != survivor.member.0);
    let parsed = others.flat_map(|(_, urls)| urls).filter_map(|url| Url::parse(&url).ok());
    let listed = config.cluster.members.iter().filter(|(name, _)| **name != config.name);
    Ok(parsed.chain(listed.flat_map(|(_, urls)| urls.clone())).collect())
}
