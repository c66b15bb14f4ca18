//! [`ObjectsLog`]: where the commands of objects go, and where their rows are read.

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_client::LogError;
use tokio_util::sync::CancellationToken;

use super::apply::Applied;
use crate::engine::ProposeError;
use crate::local_store::StoreReader;

/// Where the commands of objects go, and where their rows are read: a stack of their own
/// ([`StackLog`](super::StackLog)), or a node that has other commands too.
pub trait ObjectsLog: Send + Sync {
    /// Proposes a command, and waits for its outcome.
    fn propose(&self, command: Bytes) -> BoxFuture<'_, Result<Applied, ProposeError>>;
    /// Waits until everything that was acknowledged before the call, on any replica, is applied here.
    fn sync(&self) -> BoxFuture<'_, Result<(), LogError>>;
    /// Why the objects must not be read here; `None` if they may be.
    fn read_problem(&self) -> Option<String>;
    /// Reads the rows.
    fn reader(&self) -> &StoreReader;
    /// Cancelled when the objects are not served any more. From then on every call fails.
    fn ended(&self) -> &CancellationToken;
}
