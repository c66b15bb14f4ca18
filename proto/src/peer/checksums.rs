//! The comparison of replicas over gRPC. [`RemoteChecksums`] asks, [`ChecksumsService`] answers.

use std::sync::Arc;

use futures::future::BoxFuture;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::contracts::{ChecksumMark, Checksums, ChecksumsError, HistoryHashes, MARKS_TOLD_MAX, REVISIONS_ASKED_MAX};
use crate::ids::Lsn;
use crate::peer::generated as wire;
use crate::peer::generated::checksums_client::ChecksumsClient;
use crate::peer::generated::checksums_server::{Checksums as Served, ChecksumsServer};
use crate::peer::limits::{CALL_MAX, HASHES_MAX};
use crate::peer::wire::{Garbage, Wire};
use crate::peer::{Failure, Gate, Home, PeerLink};

impl Wire for ChecksumMark {
    type Message = wire::ChecksumMark;

    fn to_wire(self) -> wire::ChecksumMark {
        wire::ChecksumMark { at: self.at.0, checksum: self.checksum }
    }

    fn from_wire(m: wire::ChecksumMark) -> Result<Self, Garbage> {
        Ok(Self { at: Lsn(m.at), checksum: m.checksum })
    }
}

impl Wire for HistoryHashes {
    type Message = wire::HistoryHashes;

    fn to_wire(self) -> wire::HistoryHashes {
        wire::HistoryHashes { compacted: self.compacted, current: self.current, hashes: self.hashes }
    }

    fn from_wire(m: wire::HistoryHashes) -> Result<Self, Garbage> {
        Ok(Self { compacted: m.compacted, current: m.current, hashes: m.hashes })
    }
}

fn unreachable(failure: Failure) -> ChecksumsError {
    ChecksumsError::Unreachable(failure.to_string())
}

fn broken(Garbage(what): Garbage) -> ChecksumsError {
    ChecksumsError::Unreachable(format!("{what} in its answer is broken"))
}

/// A replica on another node.
pub struct RemoteChecksums {
    link: Arc<PeerLink>,
}

impl RemoteChecksums {
    /// The peer of `link`.
    pub fn new(link: &Arc<PeerLink>) -> Self {
        Self { link: Arc::clone(link) }
    }

    fn client(&self) -> ChecksumsClient<Channel> {
        ChecksumsClient::new(self.link.channel())
    }
}

impl Checksums for RemoteChecksums {
    fn marks(&self) -> BoxFuture<'_, Result<Vec<ChecksumMark>, ChecksumsError>> {
        Box::pin(async move {
            let request = self.link.request(wire::Nothing {});
            let answer = self.link.within(CALL_MAX, self.client().marks(request)).await.map_err(unreachable)?;
            let told = answer.told.ok_or(ChecksumsError::NotYet)?;
            if told.marks.len() > MARKS_TOLD_MAX {
                return Err(broken(Garbage("the number of marks")));
            }
            told.marks.into_iter().map(|mark| ChecksumMark::from_wire(mark).map_err(broken)).collect()
        })
    }

    fn hashes(&self, revisions: Vec<i64>) -> BoxFuture<'_, Result<HistoryHashes, ChecksumsError>> {
        Box::pin(async move {
            let asked = revisions.len();
            let request = self.link.request(wire::HashesRequest { revisions });
            let answer = self.link.within(HASHES_MAX, self.client().hashes(request)).await.map_err(unreachable)?;
            let told = HistoryHashes::from_wire(answer.told.ok_or(ChecksumsError::NotYet)?).map_err(broken)?;
            if told.hashes.len() != asked {
                return Err(broken(Garbage("the number of hashes")));
            }
            Ok(told)
        })
    }
}

/// Serves the checksums of this node's replica.
pub struct ChecksumsService {
    home: Home,
    checksums: Arc<dyn Checksums>,
}

impl ChecksumsService {
    /// The gRPC service of `checksums`, behind the gate of the node `home`.
    pub fn server(home: &Home, checksums: Arc<dyn Checksums>) -> InterceptedService<ChecksumsServer<Self>, Gate> {
        InterceptedService::new(ChecksumsServer::new(Self { home: home.clone(), checksums }), Gate::new(home))
    }
}

/// The value that was asked for. `None` if the replica cannot tell it yet.
fn told<T>(answer: Result<T, ChecksumsError>) -> Result<Option<T>, Status> {
    match answer {
        Ok(told) => Ok(Some(told)),
        Err(ChecksumsError::NotYet) => Ok(None),
        Err(ChecksumsError::Unreachable(why)) => Err(Status::unavailable(why)),
    }
}

#[tonic::async_trait]
impl Served for ChecksumsService {
    async fn marks(&self, _: Request<wire::Nothing>) -> Result<Response<wire::MarksAnswer>, Status> {
        let told = told(self.checksums.marks().await)?;
        let told = told.map(|marks| wire::Marks { marks: marks.into_iter().map(Wire::to_wire).collect() });
        Ok(self.home.answer(wire::MarksAnswer { told }))
    }

    async fn hashes(&self, request: Request<wire::HashesRequest>) -> Result<Response<wire::HashesAnswer>, Status> {
        let wire::HashesRequest { revisions } = request.into_inner();
        if revisions.len() > REVISIONS_ASKED_MAX || !revisions.is_sorted() {
            return Err(Garbage("the order or the number of revisions").into());
        }
        let told = told(self.checksums.hashes(revisions).await)?.map(Wire::to_wire);
        Ok(self.home.answer(wire::HashesAnswer { told }))
    }
}
