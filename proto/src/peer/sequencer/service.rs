//! [`SequencerService`]: serves the sequencer of this process to peers.

use std::sync::Arc;

use futures::stream::BoxStream;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use super::appends;
use crate::chain::{LogletKind, LogletParams};
use crate::contracts::{Refusal, Sequencer};
use crate::ids::{Incarnation, LogletId, Lsn, StreamId};
use crate::peer::generated as wire;
use crate::peer::generated::sequencer_server::{Sequencer as Served, SequencerServer};
use crate::peer::limits::MESSAGE_BYTES_MAX;
use crate::peer::outbox::{Outbox, Reading};
use crate::peer::wire::{Garbage, Wire};
use crate::peer::{Gate, Home};
use crate::streams::{STREAMS_ASKED_MAX, StreamTails};

/// No loglet begins at a higher position: positions must not overflow their number, and headers of streams need a bit.
const START_MAX: u64 = 1 << 62;

/// Serves one sequencer. A call that is not meant for this node does not reach it: see [`SequencerService::server`].
pub struct SequencerService {
    home: Home,
    sequencer: Arc<dyn Sequencer>,
}

impl SequencerService {
    /// The gRPC service of `sequencer`, behind the gate of the node `home`.
    pub fn server(home: &Home, sequencer: Arc<dyn Sequencer>) -> InterceptedService<SequencerServer<Self>, Gate> {
        let server = SequencerServer::new(Self { home: home.clone(), sequencer });
        InterceptedService::new(server.max_decoding_message_size(MESSAGE_BYTES_MAX), Gate::new(home))
    }
}

#[tonic::async_trait]
impl Served for SequencerService {
    type AppendStream = BoxStream<'static, Result<wire::AppendAnswers, Status>>;

    async fn append(&self, request: Request<Streaming<wire::Appends>>) -> Result<Response<Self::AppendStream>, Status> {
        let outbox = Outbox::new();
        let (home, sequencer) = (self.home.clone(), Arc::clone(&self.sequencer));
        let serve = appends::serve(home, sequencer, request.into_inner(), Reading(Arc::clone(&outbox)));
        self.home.tasks.start_until_stop("appends", serve);
        let home = self.home.clone();
        let frames = outbox.frames(move |answers| wire::AppendAnswers {
            chain: home.news.known().0,
            synced: Some(home.synced_now()),
            answers: answers
                .into_iter()
                .map(|(number, answer)| wire::AppendAnswer { number, answer: Some(answer) })
                .collect(),
        });
        Ok(self.home.answer(frames))
    }

    async fn serve(&self, request: Request<wire::ServeRequest>) -> Result<Response<wire::ServeAnswer>, Status> {
        let m = request.into_inner();
        let kind = u8::try_from(m.kind).map_err(|_| Garbage("the kind of a loglet"))?;
        let id = LogletId::required(m.loglet, "the loglet to serve")?;
        let loglet = LogletParams { id, kind: LogletKind(kind), bytes: m.parameters };
        if m.start > START_MAX {
            return Err(Garbage("the position of a loglet's first cell").into());
        }
        let refused = self.sequencer.serve(&loglet, Lsn(m.start)).await.err().map(Refusal::to_wire);
        Ok(self.home.answer(wire::ServeAnswer { refused }))
    }

    async fn grant(&self, request: Request<wire::GrantRequest>) -> Result<Response<wire::GrantAnswer>, Status> {
        use wire::grant_answer::Answer;
        let m = request.into_inner();
        let loglet = LogletId::required(m.loglet, "the loglet of a grant")?;
        let incarnation = Incarnation::required(m.incarnation, "the sequencer of a grant")?;
        let granted = match m.headers.len() {
            0 => self.sequencer.grant(loglet, incarnation, m.count).await.map(|at| (at, Vec::new())),
            asked if asked == m.count as usize => self.sequencer.grant_in_streams(loglet, incarnation, m.headers).await,
            _ => return Err(Garbage("the headers of a grant").into()),
        };
        let (answer, headers) = match granted {
            Ok((at, headers)) => (Answer::At(at.0), headers),
            Err(error) => (Answer::Error(error.to_wire()), Vec::new()),
        };
        Ok(self.home.answer(wire::GrantAnswer { answer: Some(answer), headers }))
    }

    async fn stream_tails(
        &self,
        request: Request<wire::StreamTailsRequest>,
    ) -> Result<Response<wire::StreamTailsAnswer>, Status> {
        let m = request.into_inner();
        let loglet = LogletId::required(m.loglet, "the loglet of streams")?;
        if m.streams.len() > STREAMS_ASKED_MAX {
            return Err(Garbage("the number of streams").into());
        }
        let streams: Vec<_> = m.streams.into_iter().map(StreamId).collect();
        let tails = self.sequencer.stream_tails(loglet, &streams).await.map(StreamTails::to_wire);
        Ok(self.home.answer(wire::StreamTailsAnswer { tails }))
    }

    async fn tail(&self, request: Request<wire::LogletId>) -> Result<Response<wire::SequencerTail>, Status> {
        let tail = self.sequencer.tail(LogletId::from_wire(request.into_inner())?).await;
        Ok(self.home.answer(tail.to_wire()))
    }
}
