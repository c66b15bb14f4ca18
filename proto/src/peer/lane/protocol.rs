//! [`Protocol`]: what the streams of one service carry.

use futures::future::BoxFuture;
use tonic::{Response, Status, Streaming};

use super::Frames;
use crate::ids::ChainVersion;
use crate::peer::PeerLink;
use crate::peer::generated as wire;

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::peer) enum LaneError {
    /// The call was not sent, because too many calls have no answer yet.
    Full,
    /// The outcome of the call is unknown.
    Lost,
}

/// Hears the answer of a call, once.
pub(in crate::peer) type OnAnswer<A> = Box<dyn FnOnce(Result<A, LaneError>) + Send>;

/// Hears the early answer of a call, at most once.
pub(in crate::peer) type OnEarly<A> = Box<dyn FnOnce(A) + Send>;

/// The messages of one service's streams.
pub(in crate::peer) trait Protocol: Sized + Send + Sync + 'static {
    /// The name of the lane's task.
    const NAME: &'static str;
    /// A call.
    type Call: Send + 'static;
    /// The answer to a call.
    type Answer: Send + 'static;
    /// The hints that a frame carries in addition to its calls. Newer hints replace older ones that were not sent yet.
    type Hints: Default + Send + 'static;
    /// A frame of calls.
    type Calls: Send + 'static;
    /// A frame of answers.
    type Answers: Send + 'static;

    /// Whether there is nothing to tell.
    fn is_silent(hints: &Self::Hints) -> bool;
    /// A frame of calls with their numbers.
    fn frame(chain: ChainVersion, hints: Self::Hints, calls: Vec<(u64, Self::Call)>) -> Self::Calls;
    /// The version of the chain that a frame of answers tells, and the answers with the numbers of their calls. `None`
    /// stands for an answer that cannot be read. A peer that speaks this version of the wire never sends one.
    fn answers(frame: Self::Answers) -> (ChainVersion, Vec<(u64, Option<Self::Answer>)>);
    /// What a frame of answers tells about the journal of its sender.
    fn synced(frame: &Self::Answers) -> Option<wire::Synced>;
    /// Whether the answer is an early one, after which the call still waits for its answer.
    fn is_early(_: &Self::Answer) -> bool {
        false
    }
    /// Opens a stream that sends `calls`.
    fn open(
        link: &PeerLink,
        calls: Frames<Self::Calls>,
    ) -> BoxFuture<'static, Result<Response<Streaming<Self::Answers>>, Status>>;
}
