//! [`Update`]: a write to an object that waits to be committed.

use bytes::Bytes;

use super::apply::Outcome;
use super::command::Command;
use super::committed::Committed;
use super::object::Object;
use super::output::Output;
use super::seen::Seen;
use super::update_error::UpdateError;
use super::version::Version;
use super::write::Write;

/// A write to an object. Nothing is written before [`Self::commit`] is called, or before the transaction that was given
/// the update commits.
#[must_use = "an update does nothing until it is committed, or given to a transaction"]
pub struct Update<T> {
    object: Object,
    write: Write,
    expected: Option<Seen>,
    shape: fn(Output) -> T,
}

impl<T> Update<T> {
    pub(super) fn new(object: Object, write: Write, shape: fn(Output) -> T) -> Self {
        Self { object, write, expected: None, shape }
    }

    /// The same update, but it is done only if the key has this version when the update commits. [`Version::ZERO`]
    /// means that the key is not there.
    pub(super) fn expecting(mut self, key: Bytes, version: Version) -> Self {
        self.expected = Some(Seen { object: self.object.id(), key: Some(key), version });
        self
    }

    /// Does the update alone. When it is acknowledged, it is durable, and applied on this replica.
    /// # Cancel safety
    /// If the future is dropped, the update may have been done or not.
    pub async fn commit(self) -> Result<Committed<T>, UpdateError> {
        self.write.check()?;
        let command = Command::Commit(self.expected.into_iter().collect(), vec![(self.object.id(), self.write)]);
        match self.object.objects().propose(&command).await? {
            Outcome::Decided(decided) => {
                let (version, outputs) = decided?;
                let output = outputs.into_iter().next().expect("a commit outputs something for each write");
                Ok(Committed { version, output: (self.shape)(output) })
            }
            Outcome::Opened(_) | Outcome::Kept => panic!("a commit is decided"),
        }
    }

    pub(super) fn object(&self) -> &Object {
        &self.object
    }

    pub(super) fn into_parts(self) -> (Object, Write, Option<Seen>, fn(Output) -> T) {
        (self.object, self.write, self.expected, self.shape)
    }
}
