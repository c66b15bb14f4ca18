//! Snapshots over gRPC. [`RemoteSnapshots`] calls, [`SnapshotsService`] serves.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::contracts::{Manifest, SnapshotError, Snapshots};
use crate::ids::{LogId, Lsn, StorageId};
use crate::peer::generated as wire;
use crate::peer::generated::snapshot_error::Error;
use crate::peer::generated::snapshots_client::SnapshotsClient;
use crate::peer::generated::snapshots_server::{Snapshots as Served, SnapshotsServer};
use crate::peer::generated::{snapshot_offered, snapshot_piece};
use crate::peer::limits::{CALL_MAX, MESSAGE_BYTES_MAX, SNAPSHOT_READ_BYTES_MAX};
use crate::peer::wire::{Garbage, Wire};
use crate::peer::{Failure, Gate, Home, PeerLink};

impl Wire for Manifest {
    type Message = wire::SnapshotManifest;

    fn to_wire(self) -> wire::SnapshotManifest {
        let Manifest { id, log, cursor, bytes, crc, format } = self;
        wire::SnapshotManifest { id, log: log.0, cursor: cursor.0, bytes, crc, format }
    }

    fn from_wire(m: wire::SnapshotManifest) -> Result<Self, Garbage> {
        let wire::SnapshotManifest { id, log, cursor, bytes, crc, format } = m;
        Ok(Manifest { id, log: LogId(log), cursor: Lsn(cursor), bytes, crc, format })
    }
}

impl Wire for SnapshotError {
    type Message = wire::SnapshotError;

    fn to_wire(self) -> wire::SnapshotError {
        let error = match self {
            SnapshotError::NotYet => Error::NotYet(wire::Nothing {}),
            SnapshotError::Busy => Error::Busy(wire::Nothing {}),
            SnapshotError::Unknown(id) => Error::Unknown(id),
            // A node answers `Unreachable` only while it is stopping. So it offers no snapshot.
            SnapshotError::Refused(why) | SnapshotError::Unreachable(why) => Error::Refused(why),
        };
        wire::SnapshotError { error: Some(error) }
    }

    fn from_wire(m: wire::SnapshotError) -> Result<Self, Garbage> {
        Ok(match m.error.ok_or(Garbage("the reason why there is no snapshot"))? {
            Error::NotYet(_) => SnapshotError::NotYet,
            Error::Busy(_) => SnapshotError::Busy,
            Error::Unknown(id) => SnapshotError::Unknown(id),
            Error::Refused(why) => SnapshotError::Refused(why),
        })
    }
}

/// Another node that offers snapshots.
pub struct RemoteSnapshots {
    link: Arc<PeerLink>,
}

impl RemoteSnapshots {
    /// The peer of `link`.
    pub fn new(link: &Arc<PeerLink>) -> Self {
        Self { link: Arc::clone(link) }
    }

    fn client(&self) -> SnapshotsClient<Channel> {
        SnapshotsClient::new(self.link.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

fn unreachable(failure: Failure) -> SnapshotError {
    SnapshotError::Unreachable(failure.to_string())
}

fn broken(garbage: Garbage) -> SnapshotError {
    SnapshotError::Unreachable(garbage.to_string())
}

/// The error in an answer. An error that cannot be decoded becomes `Unreachable`.
fn error_of(error: wire::SnapshotError) -> SnapshotError {
    SnapshotError::from_wire(error).unwrap_or_else(broken)
}

impl Snapshots for RemoteSnapshots {
    fn offer(&self, to: StorageId, at_least: Lsn) -> BoxFuture<'_, Result<Manifest, SnapshotError>> {
        Box::pin(async move {
            let request = self.link.request(wire::SnapshotOffer { to: to.0, at_least: at_least.0 });
            let answer = self.link.within(CALL_MAX, self.client().offer(request)).await.map_err(unreachable)?;
            match answer.answer.ok_or(Garbage("the answer of a node that offers snapshots")).map_err(broken)? {
                snapshot_offered::Answer::Error(error) => Err(error_of(error)),
                snapshot_offered::Answer::Manifest(manifest) => Manifest::from_wire(manifest).map_err(broken),
            }
        })
    }

    fn read(&self, id: u64, at: u64, len: u32) -> BoxFuture<'_, Result<Bytes, SnapshotError>> {
        Box::pin(async move {
            let bytes_max = len.min(SNAPSHOT_READ_BYTES_MAX);
            let request = self.link.request(wire::SnapshotRead { id, at, bytes_max });
            let answer = self.link.within(CALL_MAX, self.client().read(request)).await.map_err(unreachable)?;
            match answer.answer.ok_or(Garbage("the piece of a snapshot")).map_err(broken)? {
                snapshot_piece::Answer::Error(error) => Err(error_of(error)),
                snapshot_piece::Answer::Bytes(bytes) if bytes.len() <= bytes_max as usize => Ok(bytes),
                snapshot_piece::Answer::Bytes(_) => Err(broken(Garbage("the length of a snapshot's piece"))),
            }
        })
    }
}

/// Serves the snapshots of this process.
pub struct SnapshotsService {
    home: Home,
    snapshots: Arc<dyn Snapshots>,
}

impl SnapshotsService {
    /// The gRPC service of `snapshots`, behind the gate of the node `home`.
    pub fn server(home: &Home, snapshots: Arc<dyn Snapshots>) -> InterceptedService<SnapshotsServer<Self>, Gate> {
        let server = SnapshotsServer::new(Self { home: home.clone(), snapshots });
        InterceptedService::new(server.max_encoding_message_size(MESSAGE_BYTES_MAX), Gate::new(home))
    }
}

#[tonic::async_trait]
impl Served for SnapshotsService {
    async fn offer(&self, request: Request<wire::SnapshotOffer>) -> Result<Response<wire::SnapshotOffered>, Status> {
        let wire::SnapshotOffer { to, at_least } = request.into_inner();
        let answer = match self.snapshots.offer(StorageId(to), Lsn(at_least)).await {
            Ok(manifest) => snapshot_offered::Answer::Manifest(manifest.to_wire()),
            Err(error) => snapshot_offered::Answer::Error(error.to_wire()),
        };
        Ok(self.home.answer(wire::SnapshotOffered { answer: Some(answer) }))
    }

    async fn read(&self, request: Request<wire::SnapshotRead>) -> Result<Response<wire::SnapshotPiece>, Status> {
        let wire::SnapshotRead { id, at, bytes_max } = request.into_inner();
        let answer = match self.snapshots.read(id, at, bytes_max.min(SNAPSHOT_READ_BYTES_MAX)).await {
            Ok(bytes) => snapshot_piece::Answer::Bytes(bytes),
            Err(error) => snapshot_piece::Answer::Error(error.to_wire()),
        };
        Ok(self.home.answer(wire::SnapshotPiece { answer: Some(answer) }))
    }
}
