//! [`Read`]: a read of an object. It is done when the caller chooses how to read.

use super::fields::Fields;
use super::object::Object;
use super::read_error::ReadError;
use super::unreadable::Unreadable;
use super::version::Version;

type Look<T> = Box<dyn Fn(&dyn Fields) -> Result<T, Unreadable> + Send + Sync>;

/// A read of an object. Nothing is read before one of the methods below, or
/// [`Transaction::read`](super::Transaction::read), is called. Rows that are not in memory are read from the disk on
/// the caller's thread.
#[must_use = "a read does nothing until it is told how to read"]
pub struct Read<T> {
    object: Object,
    look: Look<T>,
}

impl<T> Read<T> {
    pub(super) fn new(object: Object, look: Look<T>) -> Self {
        Self { object, look }
    }

    /// Reads the state after everything that was acknowledged, on any replica, before the call.
    /// # Cancel safety
    /// If the future is dropped, nothing is lost.
    pub async fn linearizable(self) -> Result<T, ReadError> {
        self.object.objects().sync().await?;
        self.local()
    }

    /// Reads the state that this replica has applied. It may be behind other replicas. It has every write that was
    /// acknowledged through this replica, because a write is acknowledged after it is applied.
    pub fn local(self) -> Result<T, ReadError> {
        Ok(self.object.objects().look_now(|fields| (self.look)(fields))?.0)
    }

    /// Reads the state at a version, as far back as history is kept ([`Objects::oldest`](super::Objects::oldest)). The
    /// further back, the more a read costs.
    pub fn at(self, version: Version) -> Result<T, ReadError> {
        self.object.objects().look_at(version, |fields| (self.look)(fields))
    }

    pub(super) fn object(&self) -> &Object {
        &self.object
    }

    pub(super) fn look(&self, fields: &dyn Fields) -> Result<T, Unreadable> {
        (self.look)(fields)
    }
}
