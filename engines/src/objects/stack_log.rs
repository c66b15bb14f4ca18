//! [`StackLog`]: a stack that has only the commands of objects.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, join};
use naxos_client::LogError;
use tokio_util::sync::CancellationToken;

use super::apply::{Applied, ObjectsApply};
use super::objects_log::ObjectsLog;
use crate::batching::Reply;
use crate::engine::ProposeError;
use crate::local_store::StoreReader;
use crate::read_gate::ReadGate;
use crate::reply_port::{ReplyPort, Waiter};
use crate::stack::Stack;

/// A stack that has only the commands of objects.
pub struct StackLog {
    stack: Arc<Stack<ObjectsApply>>,
    port: Arc<ReplyPort<Reply<Applied>>>,
    gate: Arc<ReadGate>,
    ended: CancellationToken,
}

impl StackLog {
    /// The log of a running stack.
    pub fn new(stack: Arc<Stack<ObjectsApply>>) -> Arc<Self> {
        let gate = stack.read_gate();
        Arc::new(Self { stack, port: ReplyPort::new(), gate, ended: CancellationToken::new() })
    }

    /// Sends what the handles propose, gives them their answers, and checks the tail of the log for them, until `stop`.
    /// Run it once. A call that is made before it runs waits for it. When it has ended, every call fails.
    /// # Cancel safety
    /// To drop the future is to end it: every call fails then.
    pub async fn serve(&self, stop: CancellationToken) {
        let _ended = self.ended.clone().drop_guard();
        let stack = Arc::clone(&self.stack);
        let port = Arc::clone(&self.port).dispatch(move || stack.flush(), stop.clone());
        join(port, Arc::clone(&self.gate).serve(stop)).await;
    }
}

impl ObjectsLog for StackLog {
    fn propose(&self, command: Bytes) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        async move {
            let (waiter, reply) = Waiter::new(&self.port);
            self.stack.propose(command, waiter);
            let reply = self.ended.run_until_cancelled(reply).await;
            let lost = || ProposeError::Unknown("serving the objects ended before the answer came".to_owned());
            reply.and_then(Result::ok).unwrap_or_else(|| Err(lost()))
        }
        .boxed()
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            let synced = self.ended.run_until_cancelled(self.gate.sync()).await;
            let lost = || LogError::Unavailable("the objects are not served any more".to_owned());
            synced.unwrap_or_else(|| Err(lost())).map(drop)
        }
        .boxed()
    }

    fn reader(&self) -> &StoreReader {
        self.stack.reader()
    }

    fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}
