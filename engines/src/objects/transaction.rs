//! [`Transaction`]: reads and writes that happen together or not at all.

use std::collections::{BTreeMap, BTreeSet};

use super::abort_reason::AbortReason;
use super::aborted::Aborted;
use super::apply::Outcome;
use super::command::{COMMIT_BYTES, Command, WRITE_BYTES};
use super::commit_error::CommitError;
use super::conflict::first_conflict;
use super::current::Current;
use super::decision::Decision;
use super::draft::{Denied, Draft};
use super::fields::{Fields, Recorder};
use super::limit_error::LimitError;
use super::limits::{OPERATIONS_MAX, TRANSACTION_BYTES_MAX};
use super::object::Object;
use super::object_id::ObjectId;
use super::objects::Objects;
use super::read::Read;
use super::read_error::ReadError;
use super::seen::Seen;
use super::transaction_error::TransactionError;
use super::unreadable::Unreadable;
use super::update::Update;
use super::version::Version;
use super::write::Write;

/// Reads and writes that happen together or not at all (Tango, SOSP'13, section 3.2).
///
/// Each read sees the newest state that this replica has applied at that moment, with the writes of the transaction
/// itself. The transaction is decided at its place in the log: it commits if everything that it read is still as it
/// was, and if none of its writes is refused. A write that expects a version of its key, such as `put_if` of a map,
/// counts as a read too. A transaction without reads has no conflicts. It is aborted only if a write is impossible at
/// that place, for example because a list is full. A transaction that only reads is not put into the log. It commits if
/// there is a version between its first and its last read at which all that it read was there.
///
/// Until it is decided, reads may see states that do not belong together.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use naxos_engines::objects::Decision;
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let (ada, ben) = (objects.counter("ada").await?, objects.counter("ben").await?);
/// ada.add(50).commit().await?;
/// let mut one = objects.begin().await?;
/// let mut two = objects.begin().await?;
/// for transaction in [&mut one, &mut two] {
///     // Both see that there is enough.
///     if transaction.read(ada.get())? >= 30 {
///         transaction.write(ada.add(-30))?;
///         transaction.write(ben.add(30))?;
///     }
/// }
/// assert!(matches!(one.commit().await?, Decision::Committed(_)));
/// // What the second one has read is no longer so. It did nothing. A program begins it again, and reads again.
/// assert!(matches!(two.commit().await?, Decision::Aborted(_)));
/// assert_eq!(ben.get().linearizable().await?, 30);
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Transaction {
    objects: Objects,
    /// The version at the first read.
    first: Option<Version>,
    /// What the caller has seen.
    seen: BTreeSet<Seen>,
    writes: Vec<(ObjectId, Write)>,
    /// What the writes do to their objects.
    drafts: BTreeMap<ObjectId, Draft>,
    operations: usize,
    bytes: usize,
}

impl Transaction {
    pub(super) fn new(objects: Objects) -> Self {
        Self {
            objects,
            first: None,
            seen: BTreeSet::new(),
            writes: Vec::new(),
            drafts: BTreeMap::new(),
            operations: 0,
            bytes: COMMIT_BYTES,
        }
    }

    /// Does several operations of which all writes are part of the transaction, or none if one of them fails. What they
    /// have read counts in any case.
    pub(super) fn all_or_nothing<T, E>(&mut self, operations: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let before = (self.writes.len(), self.drafts.clone(), self.operations, self.bytes);
        let done = operations(self);
        if done.is_err() {
            let writes;
            (writes, self.drafts, self.operations, self.bytes) = before;
            self.writes.truncate(writes);
        }
        done
    }

    /// Reads an object.
    pub fn read<T>(&mut self, read: Read<T>) -> Result<T, TransactionError> {
        let object = read.object();
        self.check_next(object)?;
        let (tried, at) = self.objects.look_now(|fields| {
            let draft = match self.draft(fields, object)? {
                Ok(draft) => draft,
                Err(denied) => return Ok(Err(denied)),
            };
            let recorder = Recorder::new(fields);
            let found = read.look(&draft.over(&recorder))?;
            Ok(Ok((found, recorder.into_seen(), draft.into_made())))
        })?;
        self.operations += 1;
        let (found, mut seen, made) = tried.map_err(|denied| self.denied(at, denied))?;
        self.drafts.extend(made.map(|made| (object.id(), made)));
        seen.extend(self.met(object));
        self.add(at, seen, 0)?;
        Ok(found)
    }

    /// Writes to an object when the transaction commits. The caller does not see the output, so this is no read.
    pub fn write<T>(&mut self, update: Update<T>) -> Result<(), TransactionError> {
        self.try_out(update, false).map(drop)
    }

    /// As [`Self::write`], but returns the output that the write will have. Because the caller sees the output, this
    /// counts as a read.
    pub fn run<T>(&mut self, update: Update<T>) -> Result<T, TransactionError> {
        self.try_out(update, true)
    }

    fn try_out<T>(&mut self, update: Update<T>, shows: bool) -> Result<T, TransactionError> {
        self.check_next(update.object())?;
        let (object, write, expected, shape) = update.into_parts();
        write.check()?;
        let (tried, at) = self.objects.look_now(|fields| {
            let draft = match self.draft(fields, &object)? {
                Ok(draft) => draft,
                Err(denied) => return Ok(Err(denied)),
            };
            Ok(draft
                .try_out(fields, (object.id(), object.object_type()), &write)?
                .map(|tried| (tried, draft.into_made())))
        })?;
        self.operations += 1;
        let (tried, made) = tried.map_err(|denied| self.denied(at, denied))?;
        self.drafts.extend(made.map(|made| (object.id(), made)));
        let mut seen = BTreeSet::from_iter(expected);
        if shows {
            seen.extend(self.met(&object));
            seen.extend(tried.met.iter().cloned());
        }
        self.add(at, seen, WRITE_BYTES + write.encode().len())?;
        let output = shape(tried.output.clone());
        self.drafts.entry(object.id()).or_default().add(&write, tried);
        self.writes.push((object.id(), write));
        Ok(output)
    }

    /// What the writes so far do to an object.
    fn draft(&self, fields: &dyn Fields, object: &Object) -> Result<Result<Current<'_>, Denied>, Unreadable> {
        if let Some(draft) = self.drafts.get(&object.id())
            && draft.is_current(fields, object.id())?
        {
            return Ok(Ok(Current::Known(draft)));
        }
        let writes = self.writes.iter().filter(|(id, _)| *id == object.id()).map(|(_, write)| write);
        Ok(Draft::make(fields, (object.id(), object.object_type()), writes)?.map(Current::Made))
    }

    /// The fields and states that the writes to an object have read, without those of blind writes.
    fn met(&self, object: &Object) -> impl Iterator<Item = Seen> {
        self.drafts.get(&object.id()).into_iter().flat_map(|draft| draft.met().iter().cloned())
    }

    /// The error for a write that is impossible. From the error the caller learns something about what the writes have
    /// met. Therefore all that they have met counts as seen.
    fn denied(&mut self, at: Version, denied: Denied) -> TransactionError {
        match self.add(at, denied.met, 0) {
            Ok(()) => denied.refused.into(),
            Err(e) => e.into(),
        }
    }

    /// Counts `seen` as seen by the caller at version `at`, and adds `more` bytes besides. If that is too much, nothing
    /// changes.
    fn add(&mut self, at: Version, mut seen: BTreeSet<Seen>, more: usize) -> Result<(), LimitError> {
        seen.retain(|seen| !self.seen.contains(seen));
        let found = self.bytes + more + seen.iter().map(Seen::len).sum::<usize>();
        if found > TRANSACTION_BYTES_MAX {
            return Err(LimitError::TransactionBytes { found });
        }
        self.bytes = found;
        if !seen.is_empty() {
            self.first.get_or_insert(at);
        }
        self.seen.extend(seen);
        Ok(())
    }

    fn check_next(&self, object: &Object) -> Result<(), LimitError> {
        if !self.objects.is_same(object.objects()) {
            let (object_type, name) = (object.object_type(), object.name().to_owned());
            return Err(LimitError::OtherStack { object_type, name });
        }
        if self.operations >= OPERATIONS_MAX { Err(LimitError::Operations) } else { Ok(()) }
    }

    /// Decides the transaction: in the log if it writes, otherwise on this replica. When a transaction that writes is
    /// committed, it is durable, and applied on this replica.
    /// # Cancel safety
    /// If the future is dropped, a transaction that writes may have been committed or not.
    pub async fn commit(self) -> Result<Decision, CommitError> {
        if self.writes.is_empty() {
            return self.decide_reads();
        }
        let command = Command::Commit(self.seen.into_iter().collect(), self.writes);
        match self.objects.propose(&command).await? {
            Outcome::Decided(Ok((version, _))) => Ok(Decision::Committed(version)),
            Outcome::Decided(Err(aborted)) => Ok(Decision::Aborted(aborted)),
            Outcome::Opened(_) | Outcome::Kept => panic!("the outcome of a commit is no decision"),
        }
    }

    /// Decides a transaction that only reads.
    fn decide_reads(self) -> Result<Decision, CommitError> {
        let Some(first) = self.first else { return Ok(Decision::Committed(self.objects.version())) };
        // Each read holds from its version on, up to the next change. So if they hold together at any version after the
        // first read, they do so at the first one at which all of them have begun to hold.
        let at = self.seen.iter().map(|seen| seen.version).fold(first, Version::max);
        let conflict = self
            .objects
            .look_at(at, |fields| Ok(first_conflict(fields, &self.seen)?.map(|(seen, found)| (seen.clone(), found))));
        match conflict {
            Ok(None) => Ok(Decision::Committed(at)),
            Ok(Some((seen, found))) => {
                let row = self.objects.object_row(seen.object).map_err(ReadError::from)?;
                Ok(Decision::Aborted(Aborted::changed(row, &seen, found)))
            }
            Err(ReadError::Forgotten { asked, oldest }) => {
                let seen = self.seen.first().expect("it has read something");
                let row = self.objects.object_row(seen.object).map_err(ReadError::from)?;
                let why = AbortReason::Forgotten { at: asked, oldest };
                Ok(Decision::Aborted(Aborted { why, ..Aborted::changed(row, seen, Version::ZERO) }))
            }
            Err(e) => Err(e.into()),
        }
    }
}
