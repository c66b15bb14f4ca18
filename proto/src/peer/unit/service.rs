//! [`UnitService`]: serves a storage unit to peers.

use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use super::{changes, streams};
use crate::contracts::{StorageUnit, TailReaches};
use crate::ids::{LogletId, Offset};
use crate::peer::generated as wire;
use crate::peer::generated::unit_server::{Unit, UnitServer};
use crate::peer::limits::{MESSAGE_BYTES_MAX, READ_BYTES_MAX, WAIT_ROUND};
use crate::peer::outbox::{Outbox, Reading};
use crate::peer::wire::{Garbage, Wire, states_to_wire};
use crate::peer::{Gate, Home};

/// Serves one storage unit. A call that is not meant for this node does not reach it: see [`UnitService::server`].
pub struct UnitService {
    home: Home,
    unit: Arc<dyn StorageUnit>,
}

impl UnitService {
    /// The gRPC service of `unit`, behind the gate of the node `home`.
    pub fn server(home: &Home, unit: Arc<dyn StorageUnit>) -> InterceptedService<UnitServer<Self>, Gate> {
        let server = UnitServer::new(Self { home: home.clone(), unit });
        InterceptedService::new(server.max_decoding_message_size(MESSAGE_BYTES_MAX), Gate::new(home))
    }
}

#[tonic::async_trait]
impl Unit for UnitService {
    type ChangeStream = BoxStream<'static, Result<wire::UnitAnswers, Status>>;
    type TellTailsStream = BoxStream<'static, Result<wire::ToldTail, Status>>;
    type FollowStream = BoxStream<'static, Result<wire::FollowedItem, Status>>;

    async fn change(
        &self,
        request: Request<Streaming<wire::UnitCalls>>,
    ) -> Result<Response<Self::ChangeStream>, Status> {
        let outbox = Outbox::new();
        let reading = Reading(Arc::clone(&outbox));
        let serve = changes::serve(self.home.clone(), Arc::clone(&self.unit), request.into_inner(), reading);
        self.home.tasks.start_until_stop("unit-changes", serve);
        let home = self.home.clone();
        let frames = outbox.frames(move |answers| wire::UnitAnswers {
            chain: home.news.known().0,
            synced: Some(home.synced_now()),
            answers: answers
                .into_iter()
                .map(|(number, answer)| wire::UnitAnswer { number, answer: Some(answer) })
                .collect(),
        });
        Ok(self.home.answer(frames))
    }

    async fn read(&self, request: Request<wire::ReadRequest>) -> Result<Response<wire::ReadAnswer>, Status> {
        use wire::read_answer::Answer;
        let m = request.into_inner();
        let loglet = LogletId::required(m.loglet, "the loglet of a read")?;
        let bytes_max = usize::try_from(m.bytes_max).unwrap_or(usize::MAX).min(READ_BYTES_MAX);
        let answer = match self.unit.read(loglet, Offset(m.start)..Offset(m.end), bytes_max).await {
            Ok(cells) => Answer::Cells(wire::Cells { cells: states_to_wire(cells) }),
            Err(error) => Answer::Error(error.to_wire()),
        };
        Ok(self.home.answer(wire::ReadAnswer { answer: Some(answer) }))
    }

    async fn held(&self, request: Request<wire::HeldRequest>) -> Result<Response<wire::HeldAnswer>, Status> {
        use wire::held_answer::Answer;
        let m = request.into_inner();
        let loglet = LogletId::required(m.loglet, "the loglet whose offsets are asked for")?;
        let answer = match self.unit.held(loglet, Offset(m.start)..Offset(m.end)).await {
            Ok(ranges) => {
                let range = |range: std::ops::Range<Offset>| wire::Range { start: range.start.0, end: range.end.0 };
                Answer::Held(wire::Ranges { ranges: ranges.into_iter().map(range).collect() })
            }
            Err(error) => Answer::Error(error.to_wire()),
        };
        Ok(self.home.answer(wire::HeldAnswer { answer: Some(answer) }))
    }

    async fn wait_tail(
        &self,
        request: Request<wire::WaitTailRequest>,
    ) -> Result<Response<wire::WaitTailAnswer>, Status> {
        use wire::wait_tail_answer::Answer;
        let m = request.into_inner();
        let loglet = LogletId::required(m.loglet, "the loglet whose tail is waited for")?;
        let until = TailReaches::from_wire(m.until.ok_or(Garbage("the tail that is waited for"))?)?;
        let answer = tokio::select! {
            biased;
            reached = self.unit.wait_tail(loglet, until) => match reached {
                Ok(tail) => Answer::Tail(tail.to_wire()),
                Err(error) => Answer::Error(error.to_wire()),
            },
            () = self.home.clock.sleep(WAIT_ROUND) => Answer::NotYet(wire::Nothing {}),
        };
        Ok(self.home.answer(wire::WaitTailAnswer { answer: Some(answer) }))
    }

    async fn follow(&self, request: Request<wire::FollowRequest>) -> Result<Response<Self::FollowStream>, Status> {
        let m = request.into_inner();
        let loglet = LogletId::required(m.loglet, "the loglet to follow")?;
        let items = self.unit.follow(loglet, Offset(m.from));
        Ok(self.home.answer(streams::serve(items, Arc::clone(&self.home.clock))))
    }

    async fn tell_tails(&self, request: Request<wire::LogletId>) -> Result<Response<Self::TellTailsStream>, Status> {
        let tails = self.unit.tell_tails(LogletId::from_wire(request.into_inner())?);
        let (told, home) = (streams::serve(tails, Arc::clone(&self.home.clock)), self.home.clone());
        let told = told.map_ok(move |tail| wire::ToldTail { synced: Some(home.synced_now()), ..tail });
        Ok(self.home.answer(told.boxed()))
    }
}
