//! Opens the local store that belongs to a journal, and loads it into memory.

use std::sync::Arc;

use naxos_engines::LocalStore;
use naxos_engines::base::UnknownEngine;
use naxos_engines::local_store::{FoundStore, StoreError, StoreExpected, VERIFIED_BYTES_MAX};
use naxos_engines::stack::{check_engines, read_rows};
use naxos_log_server::meta::found_value;
use naxos_log_server::{DamagedCell, FoundJournal, OpenError};
use naxos_proto::chain::{Chain, Segment};
use naxos_proto::ids::StorageId;
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::release::NewerCluster;
use naxos_proto::seams::Seams;

use super::start_error::StartError;
use crate::state::versions::stored_version;
use crate::state::{Rebuild, SharedStore};

/// Opens the local store and rebuilds the store in memory. If there is no local store, and the journal was never
/// trimmed, an empty local store is made first. In a cluster of several nodes (`alone` is false) an empty one is made
/// even if the journal was trimmed, because the other nodes can give this node a snapshot.
///
/// The function returns an error in the following cases. It has then not changed the local store that it found, if any.
///
/// 1. There is no local store, the journal was trimmed, and the node is alone.
/// 2. The chain in the journal or the local store cannot be read, the local store belongs to another data directory, or
///    the cluster has a version that this build does not understand.
/// 3. The log cannot be replayed: the journal has a damaged cell that the local store has not applied and that no
///    other unit holds.
/// 4. The local store and the journal are not a pair. Either the local store has applied more than the log has, because
///    the journal has lost its end or is older than the local store. Or the local store lacks entries that the log no
///    longer has. The function can find this out only if no other unit holds the log.
pub(super) async fn open_store(
    seams: &Seams,
    journal: &FoundJournal,
    alone: bool,
    resident_bytes_max: usize,
) -> Result<(LocalStore, Arc<SharedStore>), StartError> {
    let chain = chain_of(journal)?;
    let lost = chain.as_ref().and_then(|chain| last_lost_cell(journal, chain));
    let expected = StoreExpected {
        storage: journal.storage_id(),
        required: alone && journal.was_trimmed(),
        lost: lost.map(|(lsn, _)| lsn),
        extent: chain.as_ref().and_then(|chain| extent_of_log(journal, chain)),
        verified_bytes_max: VERIFIED_BYTES_MAX,
    };
    let opened = LocalStore::open_expected(Arc::clone(&seams.disk), Arc::clone(&seams.clock), expected).await;
    let found = opened.map_err(|e| match (e, lost) {
        (StoreError::Lost { .. }, Some((_, cell))) => StartError::from(cell.refusal()),
        (e, _) => e.into(),
    })?;
    let store = load(seams, &found, resident_bytes_max).await?;
    Ok((found.accept().await?, store))
}

/// Opens a local store that is there, and rebuilds the store in memory. A start needs this after a snapshot has
/// replaced the file, or if the log was trimmed during the replay. A recovery needs it for the copy that it has made.
/// Nothing is compared with a journal: at a start the journal is in use by then, and a recovery begins a new one.
pub(in crate::node) async fn reopen_store(
    seams: &Seams,
    storage: StorageId,
    resident_bytes_max: usize,
) -> Result<(LocalStore, Arc<SharedStore>), LoadError> {
    let expected =
        StoreExpected { storage, required: true, lost: None, extent: None, verified_bytes_max: VERIFIED_BYTES_MAX };
    let found = LocalStore::open_expected(Arc::clone(&seams.disk), Arc::clone(&seams.clock), expected).await?;
    let store = load(seams, &found, resident_bytes_max).await?;
    Ok((found.accept().await?, store))
}

/// Why a local store cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(in crate::node) enum LoadError {
    /// It is damaged, or cannot be read.
    #[error("the local store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The cluster has a version that this build does not understand, and the store may have rows that it cannot read.
    #[error(transparent)]
    Newer(#[from] NewerCluster),
    /// An engine is on that this build does not have, so it cannot read what that engine wrote.
    #[error("the local store cannot be opened: {0}")]
    Engine(#[from] UnknownEngine),
}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store(error) => error.into(),
            LoadError::Newer(newer) => newer.into(),
            LoadError::Engine(unknown) => unknown.into(),
        }
    }
}

/// Rebuilds the store in memory: a Worker reads the rows while this thread builds the index.
async fn load(seams: &Seams, found: &FoundStore, resident_bytes_max: usize) -> Result<Arc<SharedStore>, LoadError> {
    found.load(|reader| stored_version(reader, StoreId(0)))?.check()?;
    found.load(check_engines)??;
    found.load(read_rows)?;
    let mut rebuild = Rebuild::new(StoreId(0), resident_bytes_max);
    let (from, below) = rebuild.wanted();
    let mut rows = found.rows_ahead(&*seams.worker, from, below);
    loop {
        let batch = rows.next().await?;
        if batch.is_empty() {
            return Ok(found.load(|reader| rebuild.finish(reader))?);
        }
        found.load(|_| batch.into_iter().for_each(|(row, encoded)| rebuild.take(&row, encoded)))?;
    }
}

/// The chain as this unit knows it; `None` while there is none.
fn chain_of(found: &FoundJournal) -> Result<Option<Chain>, OpenError> {
    let value = found_value(found)?;
    let decode = |value| Chain::decode(value).map_err(|e| OpenError::Meta(e.to_string()));
    (!value.is_empty()).then_some(value).map(decode).transpose()
}

/// The first position of the log and its tail (the position after the last one), if this unit alone holds the first and
/// the last segment.
fn extent_of_log(found: &FoundJournal, chain: &Chain) -> Option<(Lsn, Lsn)> {
    let here = |s: &&Segment| is_alone(s, found.storage_id());
    let (first, last) = (chain.segments.first().filter(here)?, chain.segments.last().filter(here)?);
    let (trim_point, _) = found.extent(first.params.id);
    let (_, tail) = found.extent(last.params.id);
    Some((first.lsn(trim_point), last.end.unwrap_or_else(|| last.lsn(tail))))
}

/// Of the damaged cells of which this unit has the only copy, the one with the highest position.
fn last_lost_cell<'a>(found: &'a FoundJournal, chain: &Chain) -> Option<(Lsn, &'a DamagedCell)> {
    let position = |cell: &DamagedCell| {
        let segment = chain.segments.iter().find(|s| s.params.id == cell.loglet)?;
        let (lsn, alone) = (segment.lsn(cell.offset), is_alone(segment, found.storage_id()));
        (alone && segment.end.is_none_or(|end| lsn < end)).then_some(lsn)
    };
    found.damaged_cells().iter().filter_map(|cell| Some((position(cell)?, cell))).max_by_key(|(lsn, _)| *lsn)
}

/// Whether `storage` is the only storage unit of the segment.
fn is_alone(segment: &Segment, storage: StorageId) -> bool {
    LogletRoles::of(&segment.params).is_ok_and(|roles| roles.units == [storage])
}
