//! Calls about leases over gRPC. [`RemoteLeaseKeeper`] calls another node, [`LeaseKeeperService`] answers. A node that
//! is not the keeper of leases answers `NotKeeper`.

use std::sync::Arc;

use futures::future::BoxFuture;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::contracts::{LeaseKeeper, LeaseKeeperError, LeaseTime};
use crate::peer::generated as wire;
use crate::peer::generated::lease_answer::Answer;
use crate::peer::generated::lease_keeper_client::LeaseKeeperClient;
use crate::peer::generated::lease_keeper_server::{LeaseKeeper as Served, LeaseKeeperServer};
use crate::peer::limits::CALL_MAX;
use crate::peer::{Failure, Gate, Home, PeerLink};

type Asked = Result<Option<LeaseTime>, LeaseKeeperError>;

/// Asks another node about leases. If that node is not the keeper, it answers [`LeaseKeeperError::NotKeeper`].
pub struct RemoteLeaseKeeper {
    link: Arc<PeerLink>,
}

impl RemoteLeaseKeeper {
    /// Asks the peer of `link`.
    pub fn new(link: &Arc<PeerLink>) -> Self {
        Self { link: Arc::clone(link) }
    }

    fn client(&self) -> LeaseKeeperClient<tonic::transport::Channel> {
        LeaseKeeperClient::new(self.link.channel())
    }
}

fn asked(answer: Result<wire::LeaseAnswer, Failure>) -> Asked {
    let unreachable = |why: String| LeaseKeeperError::Unreachable(why);
    match answer.map_err(|failure| unreachable(failure.to_string()))?.answer {
        Some(Answer::Time(wire::LeaseTime { left, granted })) => Ok(Some(LeaseTime { left, granted })),
        Some(Answer::Gone(_)) => Ok(None),
        Some(Answer::NotKeeper(_)) => Err(LeaseKeeperError::NotKeeper),
        None => Err(unreachable("the keeper's answer is empty".to_owned())),
    }
}

impl LeaseKeeper for RemoteLeaseKeeper {
    fn renew(&self, id: i64) -> BoxFuture<'_, Asked> {
        Box::pin(async move {
            let request = self.link.request(wire::LeaseCall { id });
            asked(self.link.within(CALL_MAX, self.client().renew(request)).await)
        })
    }

    fn time_to_live(&self, id: i64) -> BoxFuture<'_, Asked> {
        Box::pin(async move {
            let request = self.link.request(wire::LeaseCall { id });
            asked(self.link.within(CALL_MAX, self.client().time_to_live(request)).await)
        })
    }
}

/// Answers the calls of other nodes about leases. If this node is not the keeper, it answers `NotKeeper`.
pub struct LeaseKeeperService {
    home: Home,
    keeper: Arc<dyn LeaseKeeper>,
}

impl LeaseKeeperService {
    /// The gRPC service of `keeper`, behind the gate of the node `home`.
    pub fn server(home: &Home, keeper: Arc<dyn LeaseKeeper>) -> InterceptedService<LeaseKeeperServer<Self>, Gate> {
        InterceptedService::new(LeaseKeeperServer::new(Self { home: home.clone(), keeper }), Gate::new(home))
    }

    fn answer(&self, asked: Asked) -> Result<Response<wire::LeaseAnswer>, Status> {
        let answer = match asked {
            Ok(Some(LeaseTime { left, granted })) => Answer::Time(wire::LeaseTime { left, granted }),
            Ok(None) => Answer::Gone(wire::Nothing {}),
            Err(LeaseKeeperError::NotKeeper) => Answer::NotKeeper(wire::Nothing {}),
            Err(LeaseKeeperError::Unreachable(why)) => return Err(Status::unavailable(why)),
        };
        Ok(self.home.answer(wire::LeaseAnswer { answer: Some(answer) }))
    }
}

#[tonic::async_trait]
impl Served for LeaseKeeperService {
    async fn renew(&self, request: Request<wire::LeaseCall>) -> Result<Response<wire::LeaseAnswer>, Status> {
        self.answer(self.keeper.renew(request.into_inner().id).await)
    }

    async fn time_to_live(&self, request: Request<wire::LeaseCall>) -> Result<Response<wire::LeaseAnswer>, Status> {
        self.answer(self.keeper.time_to_live(request.into_inner().id).await)
    }
}
