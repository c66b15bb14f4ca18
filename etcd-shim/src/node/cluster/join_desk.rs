//! [`JoinDesk`]: takes the questions of other nodes. They ask for the list of members. A node with a new data directory
//! asks for the seat of its member.

use futures::future::BoxFuture;
use naxos_proto::contracts::{ClusterView, Join, JoinError, Joining};
use tokio::sync::{mpsc, oneshot};

/// At most this many questions wait.
const QUESTIONS_MAX: usize = 16;

type View = Result<ClusterView, JoinError>;

/// A question that waits for the reconciler.
pub(in crate::node) struct Asked {
    /// The seat that is asked for. `None` if the caller only looks.
    pub(in crate::node) join: Option<Join>,
    pub(in crate::node) answer: oneshot::Sender<View>,
}

/// Passes the questions on to the reconciler, which may propose commands.
pub(in crate::node) struct JoinDesk(mpsc::Sender<Asked>);

impl JoinDesk {
    /// The desk, and the receiver of its questions.
    pub(in crate::node) fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (tx, rx) = mpsc::channel(QUESTIONS_MAX);
        (Self(tx), rx)
    }

    fn ask(&self, join: Option<Join>) -> BoxFuture<'_, View> {
        let (answer, answered) = oneshot::channel();
        Box::pin(async move {
            let starts = || JoinError::NotYet("the member that was asked is starting, stopping or busy".to_owned());
            self.0.try_send(Asked { join, answer }).map_err(|_| starts())?;
            answered.await.unwrap_or_else(|_| Err(starts()))
        })
    }
}

impl Joining for JoinDesk {
    fn look(&self) -> BoxFuture<'_, View> {
        self.ask(None)
    }

    fn join(&self, join: Join) -> BoxFuture<'_, View> {
        self.ask(Some(join))
    }
}
