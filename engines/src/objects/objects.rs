//! [`Objects`]: the handle.

use std::sync::Arc;

use futures::future::join;
use naxos_client::LogError;
use naxos_proto::codec::DecodeError;
use tokio_util::sync::CancellationToken;

use super::apply::{Applied, ObjectsApply, Outcome};
use super::change_signal::ChangeSignal;
use super::command::Command;
use super::fields::FieldsAt;
use super::history::History;
use super::limit_error::LimitError;
use super::limits::{NAME_BYTES_MAX, check_bytes};
use super::object::Object;
use super::object_id::ObjectId;
use super::object_type::ObjectType;
use super::open_error::OpenError;
use super::open_refused::OpenRefused;
use super::read_error::ReadError;
use super::rows::kept::Kept;
use super::rows::names::{name_row, object_row};
use super::rows::object::{ObjectRow, decode_name};
use super::transaction::Transaction;
use super::unreadable::Unreadable;
use super::version::Version;
use crate::batching::Reply;
use crate::engine::ProposeError;
use crate::local_store::StoreReader;
use crate::read_gate::ReadGate;
use crate::reply_port::{ReplyPort, Waiter};
use crate::stack::Stack;

/// How often a read of the newest state is tried. A try fails only if more was written meanwhile than history keeps.
const LOOKS_MAX: usize = 16;

struct Shared {
    stack: Arc<Stack<ObjectsApply>>,
    port: Arc<ReplyPort<Reply<Applied>>>,
    gate: Arc<ReadGate>,
    signal: ChangeSignal,
    /// Cancelled when nobody answers any more.
    ended: CancellationToken,
}

/// The objects of a log, on one replica. Clones are cheap and share everything. Any task of any runtime may call it,
/// while [`Self::serve`] runs.
#[derive(Clone)]
pub struct Objects {
    shared: Arc<Shared>,
}

impl Objects {
    /// The objects of a running stack. `signal` is the one that [`ObjectsApply::open`] returned with the stack's
    /// application.
    pub fn new(stack: Arc<Stack<ObjectsApply>>, signal: ChangeSignal) -> Self {
        let gate = stack.read_gate();
        Self {
            shared: Arc::new(Shared { stack, port: ReplyPort::new(), gate, signal, ended: CancellationToken::new() }),
        }
    }

    /// Sends what the handles propose, gives them their answers, and checks the tail of the log for them, until `stop`.
    /// Run it once. Calls that come earlier wait for it. When it has ended, they fail.
    /// # Cancel safety
    /// If the future is dropped, it has ended.
    pub async fn serve(&self, stop: CancellationToken) {
        let _ended = self.shared.ended.clone().drop_guard();
        let stack = Arc::clone(&self.shared.stack);
        let port = Arc::clone(&self.shared.port).dispatch(move || stack.flush(), stop.clone());
        join(port, Arc::clone(&self.shared.gate).serve(stop)).await;
    }

    /// Begins a transaction whose reads see everything that was acknowledged, on any replica, before the call.
    /// # Cancel safety
    /// If the future is dropped, nothing is lost.
    pub async fn begin(&self) -> Result<Transaction, ReadError> {
        self.sync().await?;
        Ok(self.begin_local())
    }

    /// Begins a transaction that reads what this replica has applied. If it writes, it is as safe as one of
    /// [`Self::begin`], but more likely to be aborted. If it only reads, its snapshot may be behind other replicas.
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

    /// Keeps so much history from the answer on, on all replicas. If it is less than before, each entry forgets a part.
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
                Outcome::Decided(_) | Outcome::Kept => panic!("an object is opened"),
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
        let synced = self.shared.ended.run_until_cancelled(self.shared.gate.sync()).await;
        synced.unwrap_or_else(|| Err(LogError::Unavailable("the objects are not served any more".to_owned()))).map(drop)
    }

    /// Proposes a command, and waits for its outcome.
    pub(super) async fn propose(&self, command: &Command) -> Result<Outcome, ProposeError> {
        let (waiter, reply) = Waiter::new(&self.shared.port);
        self.shared.stack.propose(command.encode(), waiter);
        let reply = self.shared.ended.run_until_cancelled(reply).await;
        let lost = || ProposeError::Unknown("the objects were not served until the answer came".to_owned());
        reply.and_then(Result::ok).unwrap_or_else(|| Err(lost())).map(|Applied(outcome)| outcome)
    }

    /// Looks at the state at a version.
    pub(super) fn look_at<T>(
        &self,
        at: Version,
        look: impl FnOnce(&FieldsAt<'_>) -> Result<T, Unreadable>,
    ) -> Result<T, ReadError> {
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

    pub(super) fn reader(&self) -> &StoreReader {
        self.shared.stack.reader()
    }

    pub(super) fn signal(&self) -> ChangeSignal {
        self.shared.signal.clone()
    }

    /// Cancelled when the objects are not served any more.
    pub(super) fn ended(&self) -> CancellationToken {
        self.shared.ended.clone()
    }
}
