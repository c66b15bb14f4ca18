//! [`Survivor`]: what the data directory of one member holds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use naxos_engines::local_store::{STORE_FILE, StoreExpected, VERIFIED_BYTES_MAX};
use naxos_engines::{LocalStore, StoreReader};
use naxos_log_server::founding::read_founding;
use naxos_log_server::meta::{FoundRegister, found_register};
use naxos_log_server::{FoundCells, FoundJournal, LogServerConfig, check_has_data};
use naxos_proto::chain::{Chain, Segment};
use naxos_proto::contracts::LocalTail;
use naxos_proto::etcd::server::etcdserverpb::Member;
use naxos_proto::ids::{Boot, ClusterId, LogId, Lsn, MemberId, StorageId, StoreId};
use naxos_proto::seams::{OpenMode, Seams};

use super::RecoverError;
use super::roles::roles;
use crate::state::kept::{Kept, read_kept};

/// At most this many ranges of held positions of one segment are looked at.
const RANGES_MAX: usize = 65_536;

/// See the module. The directory is locked as long as this value lives. No file in it is changed.
pub(crate) struct Survivor {
    /// The directory, as the operator knows it.
    pub(super) name: String,
    /// The seams, with the directory's disk.
    pub(super) seams: Seams,
    pub(super) storage: StorageId,
    pub(super) log: LogId,
    pub(super) member: MemberId,
    pub(super) boot: Boot,
    /// etcd's cluster id, if the directory knows it.
    pub(super) cluster: Option<ClusterId>,
    /// The data directories that founded the cluster.
    pub(super) founders: BTreeMap<MemberId, StorageId>,
    pub(super) register: FoundRegister,
    pub(super) chain: Chain,
    pub(super) cells: Arc<FoundCells>,
    pub(super) store: Option<KeptStore>,
}

/// The local store of a survivor.
pub(super) struct KeptStore {
    /// The next position to apply.
    pub(super) cursor: Lsn,
    /// Length of its file.
    pub(super) bytes: u64,
    pub(super) kept: Kept,
    /// The position at which it was found to differ from the stores of the other members.
    pub(super) differs: Option<Lsn>,
}

impl Survivor {
    /// Reads the directory of `seams.disk`.
    /// # Cancel safety: nothing is changed.
    pub(crate) async fn read(name: String, seams: Seams) -> Result<Survivor, RecoverError> {
        let open = |error| RecoverError::Open(name.clone(), error);
        let disk = Arc::clone(&seams.disk);
        check_has_data(&*disk).await.map_err(open)?;
        let journal = FoundJournal::read(seams.clone(), LogServerConfig::default()).await.map_err(open)?;
        let register = found_register(&journal).map_err(open)?;
        if register.bytes.is_empty() {
            return Err(RecoverError::NoLog(name));
        }
        let chain = Chain::decode(register.bytes.clone()).map_err(|error| RecoverError::Chain(name.clone(), error))?;
        let (storage, log, member, boot) = (journal.storage_id(), journal.log(), journal.member(), journal.boot());
        let founding = read_founding(&*disk).await.map_err(open)?;
        let founders = match &founding {
            Some((_, decided)) => decided.founders.iter().map(|founder| (founder.seat, founder.storage)).collect(),
            None => BTreeMap::from([(member, storage)]),
        };
        let store = kept_store(&name, &seams, storage).await?;
        if let Some(KeptStore { kept, .. }) = &store
            && kept.removed.contains(&member.0)
        {
            return Err(RecoverError::Removed(name));
        }
        let cells = Arc::new(journal.into_cells());
        let cluster = founding.map(|(cluster, _)| cluster);
        Ok(Survivor { name, seams, storage, log, member, boot, cluster, founders, register, chain, cells, store })
    }

    /// What its unit knows of the loglet of a segment.
    pub(super) fn local(&self, segment: &Segment) -> Option<LocalTail> {
        self.cells.local(segment.params.id)
    }

    /// The positions of a segment that its unit holds.
    pub(super) fn held(&self, segment: &Segment) -> Vec<Range<Lsn>> {
        let Some(local) = self.local(segment) else { return Vec::new() };
        let held = self.cells.held(segment.params.id, local.trim_point..local.tail, RANGES_MAX);
        held.into_iter().map(|range| segment.lsn(range.start)..segment.lsn(range.end)).collect()
    }

    /// The position up to which its local store has applied the log.
    pub(super) fn cursor(&self) -> Lsn {
        self.store.as_ref().map_or(Lsn::ZERO, |store| store.cursor)
    }

    /// Whether its local store was found to differ from those of the other members.
    pub(super) fn differs(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.differs.is_some())
    }

    /// Its member, if the log has told of it.
    pub(super) fn listed(&self) -> Option<&Member> {
        self.store.as_ref()?.kept.members.get(&self.member.0)
    }

    /// Whether nothing of the cluster is anywhere else.
    pub(super) fn is_alone(&self) -> bool {
        let others = self.store.as_ref().is_some_and(|store| store.kept.members.keys().any(|id| *id != self.member.0));
        let units = self.chain.segments.iter().filter_map(roles);
        let units: BTreeSet<StorageId> = units.flat_map(|roles| roles.units).collect();
        let own = BTreeSet::from([self.storage]);
        !others && self.register.all_voters().is_subset(&own) && units.is_subset(&own)
    }
}

/// Reads the local store. `None` if the directory has none.
async fn kept_store(name: &str, seams: &Seams, storage: StorageId) -> Result<Option<KeptStore>, RecoverError> {
    let io = |error| RecoverError::Io(format!("{name}/{STORE_FILE}"), error);
    let names = seams.disk.list("").await.map_err(io)?;
    if !names.iter().any(|found| found == STORE_FILE) {
        return Ok(None);
    }
    let file = seams.disk.open(STORE_FILE, OpenMode::Existing).await.map_err(io)?;
    let bytes = file.len().await.map_err(io)?;
    let expected =
        StoreExpected { storage, required: true, lost: None, extent: None, verified_bytes_max: VERIFIED_BYTES_MAX };
    let opened = LocalStore::open_expected(Arc::clone(&seams.disk), Arc::clone(&seams.clock), expected).await;
    let store = |error| RecoverError::Store(name.to_owned(), error);
    let found = opened.map_err(store)?;
    let read = |reader: &StoreReader| (reader.applied(), reader.differs(), read_kept(reader, StoreId(0)));
    let (cursor, differs, kept) = found.load(read).map_err(store)?;
    kept.version.check().map_err(|newer| RecoverError::Newer(name.to_owned(), newer))?;
    Ok(Some(KeptStore { cursor, bytes, kept, differs }))
}
