//! [`Objects`]: the handle.

use std::sync::Arc;

use naxos_client::LogError;
use naxos_proto::codec::DecodeError;
use tokio_util::sync::CancellationToken;

use super::apply::{Applied, Outcome};
use super::change_signal::ChangeSignal;
use super::check_bytes::check_bytes;
use super::command::Command;
use super::fields::FieldsAt;
use super::history::History;
use super::limit_error::LimitError;
use super::limits::NAME_BYTES_MAX;
use super::object::Object;
use super::object_id::ObjectId;
use super::object_type::ObjectType;
use super::objects_log::ObjectsLog;
use super::open_error::OpenError;
use super::open_refused::OpenRefused;
use super::read_error::ReadError;
use super::rows::kept::Kept;
use super::rows::names::{name_row, object_row};
use super::rows::object::{ObjectRow, decode_name};
use super::transaction::Transaction;
use super::unreadable::Unreadable;
use super::version::Version;
use crate::engine::ProposeError;
use crate::local_store::StoreReader;

/// How often a read of the newest state is tried. A try fails only if more was written meanwhile than history keeps.
const LOOKS_MAX: usize = 16;

struct Shared {
    log: Arc<dyn ObjectsLog>,
    signal: ChangeSignal,
}

/// The objects of a log, on one replica. Clones are cheap and share everything. Any task of any runtime may call it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use naxos_engines::objects::History;
///
/// // The objects of a store. `Objects::new` makes the same handle for a stack of engines of your own.
/// let store = naxos::Naxos::memory().await?;
/// let objects = store.objects().await?;
/// let hits = objects.counter("hits").await?;
/// hits.add(1).commit().await?; // durable, and applied on this replica
/// let before = objects.version();
/// hits.add(1).commit().await?;
/// assert_eq!(hits.get().local()?, 2); // what this replica has applied
/// assert_eq!(hits.get().linearizable().await?, 2); // after all that was acknowledged, on any replica
/// assert_eq!(hits.get().at(before)?, 1); // as it was
///
/// // Keeps less of the past than by default, on all replicas.
/// objects.keep_history(History { changes_max: 1_000, bytes_max: 1 << 20 }).await?;
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Objects {
    shared: Arc<Shared>,
}

impl Objects {
    /// The objects of a log. `signal` is the one that [`ObjectsApply::open`](super::ObjectsApply::open) returned with the
    /// application that applies the commands of that log.
    pub fn new(log: Arc<dyn ObjectsLog>, signal: ChangeSignal) -> Self {
        Self { shared: Arc::new(Shared { log, signal }) }
    }

    /// Begins a transaction whose reads see everything that was acknowledged, on any replica, before the call.
    /// # Cancel safety
    /// If the future is dropped, nothing is lost.
    pub async fn begin(&self) -> Result<Transaction, ReadError> {
        self.sync().await?;
        Ok(self.begin_local())
    }

    /// Begins a transaction that reads what this replica has applied. If it writes, it is as safe as one of
    /// [`Self::begin`], but more likely to be aborted. If it only reads, the state that it sees may be behind that of
    /// other replicas.
    pub fn begin_local(&self) -> Transaction {
        Transaction::new(self.clone())
    }

    /// The version that this replica has applied: everything up to it, and nothing after it. A read at this version
    /// sees what a local read sees now.
    pub fn version(&self) -> Version {
        Version::last_below(self.reader().applied())
    }

    /// The oldest version at which objects can be read here.
    pub fn oldest(&self) -> Result<Version, ReadError> {
        Ok(Kept::load(self.reader())?.oldest)
    }

    /// Sets how much history is kept, on all replicas, from the position of this command on. If that is less than
    /// before, each entry from there on forgets a part, until no more is left than may be kept.
    /// # Cancel safety
    /// If the future is dropped, it may have been done or not.
    pub async fn keep_history(&self, history: History) -> Result<(), ProposeError> {
        self.propose(&Command::Keep(history)).await.map(drop)
    }

    /// Opens the object, or creates it. An object that is known here needs no entry in the log.
    pub(super) async fn open(&self, name: &str, asked: ObjectType) -> Result<Object, OpenError> {
        if name.is_empty() {
            return Err(LimitError::NoName.into());
        }
        check_bytes("name of an object", name.len(), NAME_BYTES_MAX)?;
        let id = match self.known(name)? {
            Some((id, row)) if row.object_type == asked => id,
            Some((_, row)) => {
                let (name, has) = (name.to_owned(), row.object_type);
                return Err(OpenRefused::OtherType { name, has, asked }.into());
            }
            None => match self.propose(&Command::Open(name.to_owned(), asked)).await? {
                Outcome::Opened(opened) => opened?,
                Outcome::Decided(_) | Outcome::Kept => panic!("the command that opens an object had another outcome"),
            },
        };
        Ok(Object::new(self.clone(), id, asked, name))
    }

    fn known(&self, name: &str) -> Result<Option<(ObjectId, ObjectRow)>, DecodeError> {
        let Some(row) = self.reader().get(&name_row(name)) else { return Ok(None) };
        let id = decode_name(row)?;
        Ok(self.object_row(id)?.map(|row| (id, row)))
    }

    pub(super) fn object_row(&self, object: ObjectId) -> Result<Option<ObjectRow>, DecodeError> {
        self.reader().get(&object_row(object)).map(ObjectRow::decode).transpose()
    }

    /// Waits until everything that was acknowledged before the call is applied here.
    pub(super) async fn sync(&self) -> Result<(), LogError> {
        self.shared.log.sync().await
    }

    /// Proposes a command, and waits for its outcome.
    pub(super) async fn propose(&self, command: &Command) -> Result<Outcome, ProposeError> {
        let Applied(outcome) = self.shared.log.propose(command.encode()).await?;
        Ok(outcome)
    }

    /// Looks at the state at a version.
    pub(super) fn look_at<T>(
        &self,
        at: Version,
        look: impl FnOnce(&FieldsAt<'_>) -> Result<T, Unreadable>,
    ) -> Result<T, ReadError> {
        self.read_problem().map_or(Ok(()), |why| Err(ReadError::NotServed(why)))?;
        let next = self.reader().applied();
        if at.at >= next && at > Version::ZERO {
            return Err(ReadError::NotYet { asked: at, next });
        }
        let oldest = self.oldest()?;
        if oldest > at {
            return Err(ReadError::Forgotten { asked: at, oldest });
        }
        Ok(look(&FieldsAt { reader: self.reader(), at })?)
    }

    /// Looks at the newest state. Returns its version too.
    pub(super) fn look_now<T>(
        &self,
        look: impl Fn(&FieldsAt<'_>) -> Result<T, Unreadable>,
    ) -> Result<(T, Version), ReadError> {
        let mut looks = 0;
        loop {
            let at = self.version();
            looks += 1;
            match self.look_at(at, &look) {
                Err(ReadError::Forgotten { .. }) if looks < LOOKS_MAX => {}
                found => return found.map(|found| (found, at)),
            }
        }
    }

    pub(super) fn is_same(&self, other: &Objects) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Why the objects must not be read here; `None` if they may be.
    pub(super) fn read_problem(&self) -> Option<String> {
        self.shared.log.read_problem()
    }

    pub(super) fn reader(&self) -> &StoreReader {
        self.shared.log.reader()
    }

    pub(super) fn signal(&self) -> ChangeSignal {
        self.shared.signal.clone()
    }

    /// Cancelled when the objects are not served any more.
    pub(super) fn ended(&self) -> CancellationToken {
        self.shared.log.ended().clone()
    }
}
