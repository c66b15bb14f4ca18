//! The stream of appends of a sequencer.

use futures::future::BoxFuture;
use tonic::{Response, Status, Streaming};

use crate::contracts::Cell;
use crate::ids::{ChainVersion, Incarnation, LogletId};
use crate::peer::PeerLink;
use crate::peer::generated as wire;
use crate::peer::lane::{Frames, Protocol};
use crate::peer::limits::MESSAGE_BYTES_MAX;
use crate::peer::wire::{Wire, cells_to_wire};

/// The stream of appends.
pub(super) struct Appends;

/// A batch to append.
pub(super) struct Batch {
    pub(super) loglet: LogletId,
    pub(super) incarnation: Incarnation,
    pub(super) cells: Vec<Cell>,
}

impl Protocol for Appends {
    const NAME: &'static str = "sequencer-lane";
    type Call = Batch;
    type Answer = wire::append_answer::Answer;
    type Hints = ();
    type Calls = wire::Appends;
    type Answers = wire::AppendAnswers;

    fn is_silent((): &()) -> bool {
        true
    }

    fn frame(chain: ChainVersion, (): (), calls: Vec<(u64, Batch)>) -> wire::Appends {
        let append = |(number, batch): (u64, Batch)| wire::Append {
            number,
            loglet: Some(batch.loglet.to_wire()),
            incarnation: Some(batch.incarnation.to_wire()),
            cells: cells_to_wire(batch.cells),
        };
        wire::Appends { chain: chain.0, appends: calls.into_iter().map(append).collect() }
    }

    fn answers(frame: wire::AppendAnswers) -> (ChainVersion, Vec<(u64, Option<Self::Answer>)>) {
        let answers = frame.answers.into_iter().map(|answer| (answer.number, answer.answer)).collect();
        (ChainVersion(frame.chain), answers)
    }

    fn synced(frame: &wire::AppendAnswers) -> Option<wire::Synced> {
        frame.synced
    }

    fn is_early(answer: &Self::Answer) -> bool {
        matches!(answer, wire::append_answer::Answer::Granted(_))
    }

    fn open(
        link: &PeerLink,
        calls: Frames<Self::Calls>,
    ) -> BoxFuture<'static, Result<Response<Streaming<wire::AppendAnswers>>, Status>> {
        let mut client = client(link);
        let request = link.request(calls);
        Box::pin(async move { client.append(request).await })
    }
}

/// A client of the peer's sequencer.
pub(super) fn client(link: &PeerLink) -> wire::sequencer_client::SequencerClient<tonic::transport::Channel> {
    wire::sequencer_client::SequencerClient::new(link.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX)
}
