//! The stream of changes of a storage unit.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use tonic::{Response, Status, Streaming};

use crate::ids::{ChainVersion, LogletId, Offset};
use crate::peer::PeerLink;
use crate::peer::generated as wire;
use crate::peer::lane::{Frames, Protocol};
use crate::peer::limits::MESSAGE_BYTES_MAX;
use crate::peer::wire::Wire;

/// The stream of changes.
pub(super) struct Changes;

impl Protocol for Changes {
    const NAME: &'static str = "unit-lane";
    type Call = wire::unit_call::Call;
    type Answer = wire::unit_answer::Answer;
    /// Known tails. A later one makes an earlier one of the same loglet needless.
    type Hints = BTreeMap<LogletId, Offset>;
    type Calls = wire::UnitCalls;
    type Answers = wire::UnitAnswers;

    fn is_silent(hints: &Self::Hints) -> bool {
        hints.is_empty()
    }

    fn frame(chain: ChainVersion, hints: Self::Hints, calls: Vec<(u64, Self::Call)>) -> wire::UnitCalls {
        let advance =
            |(loglet, tail): (LogletId, Offset)| wire::Advance { loglet: Some(loglet.to_wire()), known_tail: tail.0 };
        wire::UnitCalls {
            chain: chain.0,
            advances: hints.into_iter().map(advance).collect(),
            calls: calls.into_iter().map(|(number, call)| wire::UnitCall { number, call: Some(call) }).collect(),
        }
    }

    fn answers(frame: wire::UnitAnswers) -> (ChainVersion, Vec<(u64, Option<Self::Answer>)>) {
        let answers = frame.answers.into_iter().map(|answer| (answer.number, answer.answer)).collect();
        (ChainVersion(frame.chain), answers)
    }

    fn synced(frame: &wire::UnitAnswers) -> Option<wire::Synced> {
        frame.synced
    }

    fn open(
        link: &PeerLink,
        calls: Frames<Self::Calls>,
    ) -> BoxFuture<'static, Result<Response<Streaming<wire::UnitAnswers>>, Status>> {
        let mut client = client(link);
        let request = link.request(calls);
        Box::pin(async move { client.change(request).await })
    }
}

/// A client of the peer's unit.
pub(super) fn client(link: &PeerLink) -> wire::unit_client::UnitClient<tonic::transport::Channel> {
    wire::unit_client::UnitClient::new(link.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX)
}
