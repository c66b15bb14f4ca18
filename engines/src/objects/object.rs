//! [`Object`]: what all objects have in common.

use std::sync::Arc;

use bytes::Bytes;

use super::fields::{Fields, KeyRange};
use super::limits::SCAN_MAX;
use super::object_id::ObjectId;
use super::object_type::ObjectType;
use super::objects::Objects;
use super::output::Output;
use super::read::Read;
use super::rows::field::Field;
use super::subscription::Subscription;
use super::unreadable::Unreadable;
use super::update::Update;
use super::version::Version;
use super::write::Write;

/// An object that was opened.
#[derive(Clone)]
pub struct Object {
    objects: Objects,
    id: ObjectId,
    object_type: ObjectType,
    name: Arc<str>,
}

impl Object {
    pub(super) fn new(objects: Objects, id: ObjectId, object_type: ObjectType, name: &str) -> Self {
        Self { objects, id, object_type, name: name.into() }
    }

    /// The id of the object, the same on all replicas.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of the object.
    pub fn object_type(&self) -> ObjectType {
        self.object_type
    }

    /// The changes of the object after `version`, in their order.
    pub fn changes_after(&self, version: Version) -> Subscription {
        Subscription::new(&self.objects, self.id, version)
    }

    /// The changes of the object from now on: those that are not applied here yet.
    pub fn changes(&self) -> Subscription {
        self.changes_after(self.objects.version())
    }

    pub(super) fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(super) fn read<T>(
        &self,
        look: impl Fn(&dyn Fields) -> Result<T, Unreadable> + Send + Sync + 'static,
    ) -> Read<T> {
        Read::new(self.clone(), Box::new(look))
    }

    /// How many fields the object has.
    pub(super) fn count(&self) -> Read<u64> {
        let id = self.id;
        self.read(move |fields| Ok(fields.state(id)?.fields))
    }

    /// The first `limit` fields of a range, and at most [`SCAN_MAX`], each as `shape` makes it.
    pub(super) fn scan<T: 'static>(&self, range: KeyRange, limit: usize, shape: fn(Bytes, Field) -> T) -> Read<Vec<T>> {
        let id = self.id;
        self.read(move |fields| {
            let found = fields.scan(id, &range, limit.min(SCAN_MAX))?;
            Ok(found.into_iter().map(|(key, field)| shape(key, field)).collect())
        })
    }

    pub(super) fn update<T>(&self, write: Write, shape: fn(Output) -> T) -> Update<T> {
        Update::new(self.clone(), write, shape)
    }

    /// An update that outputs whether it changed what is there.
    pub(super) fn update_changed(&self, write: Write) -> Update<bool> {
        self.update(write, |output| match output {
            Output::Changed(changed) => changed,
            other => panic!("a write by key outputs whether it changed something, not {other:?}"),
        })
    }
}
