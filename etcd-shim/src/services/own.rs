//! Proposes commands of the state machines beside etcd's.

use bytes::Bytes;
use naxos_engines::objects;
use tonic::Status;

use super::Desk;
use crate::metrics::Method;
use crate::state::{Answer, Applied, Command, Refused};

/// Proposes a command of the program's own state machine, and waits until this node has applied it. The inner error is
/// that of the state machine.
/// # Cancel safety
/// The command may still be done.
pub(crate) async fn propose_own(desk: &Desk, command: Bytes) -> Result<Result<Applied, Refused>, Status> {
    match propose(desk, command.len(), Command::Own(command)).await? {
        Answer::Own(outcome) => Ok(outcome),
        other => unreachable!("the answer to a command of the program's own state machine was {other:?}"),
    }
}

/// Proposes a command of the replicated objects, and waits until this node has applied it.
/// # Cancel safety
/// The command may still be done.
pub(crate) async fn propose_objects(desk: &Desk, command: Bytes) -> Result<objects::Applied, Status> {
    match propose(desk, command.len(), Command::Objects(command)).await? {
        Answer::Objects(applied) => Ok(applied),
        other => unreachable!("the answer to a command of the objects was {other:?}"),
    }
}

async fn propose(desk: &Desk, bytes: usize, command: Command) -> Result<Answer, Status> {
    desk.check_served(Method::Txn)?;
    desk.backend.check_size(bytes)?;
    Ok(desk.backend.propose(&desk.pending, command).await?.0)
}
