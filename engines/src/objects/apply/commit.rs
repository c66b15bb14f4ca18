//! Decides a transaction, and writes what it changes.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::ObjectsApply;
use crate::local_store::Txn;
use crate::objects::abort_reason::AbortReason;
use crate::objects::aborted::Aborted;
use crate::objects::conflict::first_conflict;
use crate::objects::failure::Failure;
use crate::objects::fields::{Buffer, Fields, FieldsNow, Layer, Overlay};
use crate::objects::limits::{FIELDS_MAX, REPLACED_BYTES_MAX};
use crate::objects::object_id::ObjectId;
use crate::objects::output::Output;
use crate::objects::refused::Refused;
use crate::objects::rows::change::ChangeRow;
use crate::objects::rows::commit::CommitRow;
use crate::objects::rows::field::Field;
use crate::objects::rows::names::{change_row, commit_row, field_row, object_row, state_row};
use crate::objects::rows::object::ObjectRow;
use crate::objects::rows::state::ObjectState;
use crate::objects::seen::Seen;
use crate::objects::types;
use crate::objects::unreadable::Unreadable;
use crate::objects::version::Version;
use crate::objects::write::Write;

/// What a commit does to one object.
struct Changed {
    object: ObjectId,
    /// What the row of the change says: the writes, and the state and the fields as they were before.
    change: ChangeRow,
    /// The fields after.
    fields: BTreeMap<Bytes, Option<Bytes>>,
    state: ObjectState,
}

/// What a commit does, before it is written.
#[derive(Default)]
struct Tried {
    buffer: Buffer,
    outputs: Vec<Output>,
    /// The writes that changed something.
    effective: Vec<(ObjectId, Write)>,
}

fn object(txn: &Txn<'_>, object: ObjectId) -> Result<Option<ObjectRow>, Unreadable> {
    Ok(txn.get(&object_row(object)).map(ObjectRow::decode).transpose()?)
}

/// Tries the writes out, one after the other. Each sees those before it.
fn try_writes(txn: &Txn<'_>, writes: Vec<(ObjectId, Write)>) -> Result<Result<Tried, Aborted>, Unreadable> {
    let mut tried = Tried::default();
    for (id, write) in writes {
        let aborted = |object, refused| Aborted { object, key: None, why: AbortReason::Refused(refused) };
        let Some(row) = object(txn, id)? else {
            return Ok(Err(aborted(id.to_string(), Refused::NoObject(id))));
        };
        let now = FieldsNow { txn };
        let so_far = Layer { base: &now, buffer: &tried.buffer };
        let mut overlay = Overlay::new(&so_far);
        match types::apply(&mut overlay, id, row.object_type, &write) {
            Ok(output) => {
                let changes = overlay.into_buffer();
                if write.has_changed(&output) {
                    tried.effective.push((id, write));
                }
                tried.outputs.push(output);
                tried.buffer.absorb(changes);
            }
            Err(Failure::Refused(refused)) => return Ok(Err(aborted(row.name, refused))),
            Err(Failure::Unreadable(e)) => return Err(e),
        }
    }
    Ok(Ok(tried))
}

/// What the commit does to one object. `None` if the commit does not change the object. `room` is how many bytes may
/// still be replaced.
fn changed(
    txn: &Txn<'_>,
    version: Version,
    id: ObjectId,
    tried: &Tried,
    room: &mut usize,
) -> Result<Option<Changed>, Failure> {
    let now = FieldsNow { txn };
    let before = now.state(id)?;
    let mut state = ObjectState { changed: version, ..before };
    let (mut fields, mut old_fields) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in tried.buffer.of(id) {
        let old = now.get(id, key)?;
        if old.is_none() && value.is_none() {
            continue;
        }
        let replaced = old.as_ref().map_or(0, |old| old.value.len());
        *room = room.checked_sub(replaced).ok_or(Refused::TooMuchReplaced)?;
        state.fields = state.fields + u64::from(value.is_some()) - u64::from(old.is_some());
        fields.insert(key.clone(), value.clone());
        old_fields.insert(key.clone(), old);
    }
    if state.fields > FIELDS_MAX {
        return Err(Refused::Full.into());
    }
    let writes = tried.effective.iter().filter(|(object, _)| *object == id).map(|(_, write)| write.clone()).collect();
    let change = ChangeRow { before, writes, fields: old_fields };
    Ok((!fields.is_empty()).then_some(Changed { object: id, change, fields, state }))
}

impl ObjectsApply {
    /// Does the writes if every read still holds and no write is refused. Else nothing changes.
    pub(super) fn commit(
        &mut self,
        txn: &mut Txn<'_>,
        version: Version,
        reads: &[Seen],
        writes: Vec<(ObjectId, Write)>,
    ) -> Result<Result<(Version, Vec<Output>), Aborted>, Unreadable> {
        if let Some((seen, found)) = first_conflict(&FieldsNow { txn }, reads)? {
            return Ok(Err(Aborted::changed(object(txn, seen.object)?, seen, found)));
        }
        let tried = match try_writes(txn, writes)? {
            Ok(tried) => tried,
            Err(aborted) => return Ok(Err(aborted)),
        };
        let mut all = Vec::new();
        let mut room = REPLACED_BYTES_MAX.saturating_sub(self.replaced);
        for id in tried.buffer.objects() {
            match changed(txn, version, id, &tried, &mut room) {
                Ok(changed) => all.extend(changed),
                Err(Failure::Refused(refused)) => {
                    let name = object(txn, id)?.map_or_else(|| id.to_string(), |row| row.name);
                    return Ok(Err(Aborted { object: name, key: None, why: AbortReason::Refused(refused) }));
                }
                Err(Failure::Unreadable(e)) => return Err(e),
            }
        }
        self.replaced = REPLACED_BYTES_MAX - room;
        self.write(txn, version, all);
        Ok(Ok((version, tried.outputs)))
    }

    /// Writes the rows of a commit. The order matters to readers, see [`crate::objects::rows`].
    fn write(&mut self, txn: &mut Txn<'_>, version: Version, all: Vec<Changed>) {
        if all.is_empty() {
            return;
        }
        let mut commit = CommitRow::default();
        for changed in all {
            let change = changed.change.encode();
            commit.bytes += change.len() as u64;
            commit.objects.push(changed.object);
            txn.put(change_row(changed.object, version), change);
            txn.put(state_row(changed.object), changed.state.encode());
            for (key, value) in changed.fields {
                let row = field_row(changed.object, &key);
                match value {
                    Some(value) => txn.put(row, Field { version, value }.encode()),
                    None => txn.delete(row),
                }
            }
        }
        self.kept.changes += commit.objects.len() as u64;
        self.kept.bytes += commit.bytes;
        self.kept_changed = true;
        self.has_changed = true;
        txn.put(commit_row(version), commit.encode());
    }
}
