//! [`Subscription`]: the changes of an object, as they are applied.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use tokio_util::sync::CancellationToken;

use super::change::Change;
use super::change_signal::ChangeSignal;
use super::fields::changes_after;
use super::object_id::ObjectId;
use super::objects::Objects;
use super::rows::kept::Kept;
use super::rows::names::state_row;
use super::rows::state::ObjectState;
use super::subscription_error::SubscriptionError;
use super::version::Version;
use crate::local_store::StoreReader;

/// A subscription reads more changes when it has none left. It stops reading when it has this many writes. One commit
/// may bring more, but no more than a transaction may have.
const READY_MAX: usize = 64;

/// The changes of an object, in the order of the log, each once. A subscription reads the history that is kept anyway,
/// and holds a few changes at most. So it costs nothing while nobody waits for it, and never makes apply wait. If it is
/// so slow that history forgets changes that it has not read, it ends with [`SubscriptionError::FellBehind`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use naxos_engines::objects::Write;
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let colors = objects.map("colors").await?;
/// let mut changes = colors.object().changes();
/// colors.put("sky", "blue").commit().await?;
/// colors.put("sea", "green").commit().await?;
/// let first = changes.next().await?;
/// assert_eq!(first.write, Write::Put("sky".into(), "blue".into()));
///
/// // Another subscription goes on from there, for example after a restart of the program.
/// let mut later = colors.object().changes_after(first.version);
/// assert_eq!(later.next().await?.write, Write::Put("sea".into(), "green".into()));
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Subscription {
    objects: Objects,
    reader: StoreReader,
    object: ObjectId,
    /// All changes up to this version are read.
    after: Version,
    ready: VecDeque<Change>,
    signal: ChangeSignal,
    ended: CancellationToken,
}

impl Subscription {
    pub(super) fn new(objects: &Objects, object: ObjectId, after: Version) -> Self {
        let (reader, signal, ended) = (objects.reader().clone(), objects.signal(), objects.ended());
        let objects = objects.clone();
        Self { objects, reader, object, after, ready: VecDeque::new(), signal, ended }
    }

    /// The next change. Waits until there is one.
    /// # Cancel safety
    /// If the future is dropped, no change is lost.
    pub async fn next(&mut self) -> Result<Change, SubscriptionError> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            // The signal is marked as seen before the read. So a change that comes after the read wakes the wait.
            self.signal.0.borrow_and_update();
            self.read_more()?;
            if self.ready.is_empty() {
                let changed = self.ended.run_until_cancelled(self.signal.0.changed()).await;
                changed.and_then(Result::ok).ok_or(SubscriptionError::Stopped)?;
            }
        }
    }

    /// Reads the next changes that are applied.
    fn read_more(&mut self) -> Result<(), SubscriptionError> {
        self.objects.read_problem().map_or(Ok(()), |why| Err(SubscriptionError::NotServed(why)))?;
        let applied = Version::last_below(self.reader.applied());
        let state = self.reader.get(&state_row(self.object)).map(ObjectState::decode).transpose()?;
        if state.unwrap_or_default().changed <= self.after {
            return Ok(());
        }
        // There are changes that were not read. History has forgotten some of them if none is found, or if the change
        // before the first that is found was not read either.
        let mut is_complete = false;
        changes_after(&self.reader, self.object, self.after, |version, change| {
            is_complete = change.before.changed <= self.after;
            if !is_complete || version > applied || self.ready.len() >= READY_MAX {
                return ControlFlow::Break(());
            }
            self.after = version;
            self.ready.extend(change.writes.into_iter().map(|write| Change { version, write }));
            ControlFlow::Continue(())
        })?;
        if is_complete || !self.ready.is_empty() {
            return Ok(());
        }
        let oldest = Kept::load(&self.reader)?.oldest;
        Err(SubscriptionError::FellBehind { after: self.after, oldest })
    }
}
