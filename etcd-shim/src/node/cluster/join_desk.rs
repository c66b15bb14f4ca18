//! [`JoinDesk`]: where new data directories ask for the seat of their member.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use naxos_proto::contracts::{Join, JoinError, Joining};
use naxos_proto::ids::{MemberId, StorageId};
use tokio::sync::{mpsc, oneshot};

/// At most this many questions wait.
const QUESTIONS_MAX: usize = 16;

type Seats = Result<BTreeMap<MemberId, StorageId>, JoinError>;

/// A question that waits for the reconciler.
pub(in crate::node) struct Asked {
    pub(in crate::node) join: Join,
    pub(in crate::node) answer: oneshot::Sender<Seats>,
}

/// Passes the questions on to the reconciler, which may propose commands.
pub(in crate::node) struct JoinDesk(mpsc::Sender<Asked>);

impl JoinDesk {
    /// The desk, and its questions.
    pub(in crate::node) fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (tx, rx) = mpsc::channel(QUESTIONS_MAX);
        (Self(tx), rx)
    }
}

impl Joining for JoinDesk {
    fn join(&self, join: Join) -> BoxFuture<'_, Seats> {
        let (answer, answered) = oneshot::channel();
        Box::pin(async move {
            let starts = || JoinError::NotYet("the member that was asked is starting or stopping itself".to_owned());
            self.0.try_send(Asked { join, answer }).map_err(|_| starts())?;
            answered.await.unwrap_or_else(|_| Err(starts()))
        })
    }
}
