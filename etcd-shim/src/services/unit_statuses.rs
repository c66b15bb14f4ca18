//! [`unit_statuses`]: what `naxos ctl units` shows.

use std::collections::{BTreeMap, BTreeSet};

use naxos_proto::control as pb;
use naxos_proto::ids::StorageId;

use crate::backend::Backend;

/// Asks all storage units of the chain how many cells they lack.
pub(super) async fn unit_statuses(backend: &Backend) -> pb::UnitsResponse {
    let (_, chain) = backend.log.chain();
    let found = backend.log.lacking().await;
    let active = chain.active().params.id;
    let lost: BTreeSet<StorageId> = backend.store.read().seats.lost().map(|(storage, _)| storage).collect();
    let mut units: BTreeMap<StorageId, pb::UnitStatus> = BTreeMap::new();
    for segment in &found {
        for (storage, lacks) in &segment.lacks {
            let unit = units.entry(*storage).or_insert_with(|| named(backend, *storage));
            unit.segments += 1;
            unit.is_lost = lost.contains(storage);
            unit.is_active |= segment.loglet == active;
            match lacks {
                Some(lacks) => unit.lacks += lacks,
                None => unit.silent += 1,
            }
        }
    }
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    pb::UnitsResponse {
        units: units.into_values().collect(),
        segments: count(chain.segments.len()),
        seen: count(found.len()),
    }
}

fn named(backend: &Backend, storage: StorageId) -> pb::UnitStatus {
    let member_id = backend.roster.member(storage).map_or(0, |member| member.0);
    let name = backend.store.read().members.get(&member_id).map(|member| member.name.clone()).unwrap_or_default();
    pb::UnitStatus { storage_id: storage.0, member_id, name, ..pb::UnitStatus::default() }
}
