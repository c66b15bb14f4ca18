//! [`NodeObjects`]: the replicated objects of a node.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_engines::objects::{Applied, ObjectsLog};
use naxos_engines::{ProposeError, StoreReader};
use naxos_proto::contracts::Refusal;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::backend::cause;
use crate::services::Desk;
use crate::services::own::propose_objects;

/// The log of the replicated objects of a node, from one start of the node to its end.
pub(super) struct NodeObjects(pub(super) Desk);

fn failed(status: Status) -> ProposeError {
    // A status without a cause means that the command was refused, by the node before it was proposed, or by apply.
    let refused = || ProposeError::Refused(Refusal::Unsupported(status.message().to_owned()));
    cause(&status).cloned().unwrap_or_else(refused)
}

impl ObjectsLog for NodeObjects {
    fn propose(&self, command: Bytes) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        async move {
            // Nothing is proposed, so nothing can have been done.
            if self.0.stop.is_cancelled() {
                return Err(ProposeError::Stopped);
            }
            let applied = self.0.stop.run_until_cancelled(propose_objects(&self.0, command)).await;
            let lost = || ProposeError::Unknown(self.0.why_stopped());
            applied.ok_or_else(lost)?.map_err(failed)
        }
        .boxed()
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            let synced = self.0.stop.run_until_cancelled(self.0.linearize()).await;
            let lost = || LogError::Unavailable(self.0.why_stopped());
            synced.ok_or_else(lost)?.map_err(|status| LogError::Unavailable(status.message().to_owned()))
        }
        .boxed()
    }

    fn read_problem(&self) -> Option<String> {
        self.0.backend.state_problem()
    }

    fn reader(&self) -> &StoreReader {
        &self.0.backend.reader
    }

    fn ended(&self) -> &CancellationToken {
        &self.0.stop
    }
}
