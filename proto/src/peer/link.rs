//! [`PeerLink`]: the connection to one peer, which all stubs for this peer share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Response, Status};

use crate::ids::{Boot, StorageId};
use crate::peer::connector::connect;
use crate::peer::envelope::{Envelope, read_chain, read_synced};
use crate::peer::generated as wire;
use crate::peer::limits::{CONNECTION_WINDOW_BYTES, KEEPALIVE_INTERVAL, KEEPALIVE_MAX, STREAM_WINDOW_BYTES};
use crate::peer::{Connector, Failure, Home};
use crate::seams::{Address, Clock};

/// One HTTP/2 connection to a peer. It is made when the first call needs it, and again when a call finds it broken.
pub struct PeerLink {
    home: Home,
    peer: StorageId,
    envelope: Envelope,
    channel: Channel,
    problem: Mutex<Option<String>>,
}

/// A channel whose connections `connector` makes. HTTP/2 wants the name of a host, which the connector does not look at.
pub(super) fn channel(clock: &Arc<dyn Clock>, host: &str, address: Address, connector: Arc<dyn Connector>) -> Channel {
    let uri = format!("http://{host}").parse::<Uri>().expect("a host's name");
    let clock = Arc::clone(clock);
    let dial = tower::service_fn(move |_: Uri| {
        let (connector, address, clock) = (Arc::clone(&connector), address.clone(), Arc::clone(&clock));
        async move { connect(connector.as_ref(), &address, clock.as_ref()).await.map(TokioIo::new) }
    });
    Endpoint::from(uri)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_MAX)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .connect_with_connector_lazy(dial)
}

impl PeerLink {
    /// The link from this node to `peer`, which listens at `address`. A peer that moves gets a new link.
    ///
    /// The link must be made on the runtime that is to carry the connection. Its stubs may be called from any thread.
    pub fn new(home: Home, peer: StorageId, address: Address, connector: Arc<dyn Connector>) -> Arc<Self> {
        let channel = channel(&home.clock, &format!("{:016x}.naxos", peer.0), address, connector);
        let envelope = Envelope::new(home.log, home.me, peer);
        Arc::new(Self { home, peer, envelope, channel, problem: Mutex::new(None) })
    }

    /// The peer's storage id.
    pub fn peer(&self) -> StorageId {
        self.peer
    }

    /// Why the last call had no answer, or why a stream from the peer has failed since then. `None` if the last call
    /// had an answer and no stream has failed since then, or if no call was made yet.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request to this peer.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.envelope.write(request.metadata_mut(), self.home.news.known());
        request
    }

    /// Waits for an answer, but not longer than `deadline`.
    pub(super) async fn within<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let answer = tokio::select! {
            biased;
            answer = call => answer.map_err(Failure::from),
            () = self.home.clock.sleep(deadline) => {
                Err(Failure::Lost(format!("no answer within {} ms", deadline.as_millis())))
            }
        };
        match answer {
            Ok(response) => {
                if let Some(version) = read_chain(response.metadata()) {
                    self.home.news.hear(version);
                }
                if let Some((boot, count)) = read_synced(response.metadata()) {
                    self.home.synced.hear(self.peer, boot, count);
                }
                self.note(None);
                Ok(response.into_inner())
            }
            Err(failure) => {
                self.note(Some(failure.to_string()));
                Err(failure)
            }
        }
    }

    /// Takes note of what a frame of a stream from this peer tells about its journal.
    pub(super) fn hear_synced(&self, told: Option<wire::Synced>) {
        if let Some(wire::Synced { boot, count }) = told {
            self.home.synced.hear(self.peer, Boot(boot), count);
        }
    }

    /// Remembers why the last call had no answer, or why a stream from the peer has failed; `None` if the last call
    /// had an answer. Logs a change.
    pub(super) fn note(&self, problem: Option<String>) {
        let mut last = self.problem.lock();
        if *last == problem {
            return;
        }
        let peer = format!("{:016x}", self.peer.0);
        match &problem {
            Some(problem) => tracing::warn!(peer, problem, "a peer does not answer"),
            None => tracing::info!(peer, "a peer answers again"),
        }
        *last = problem;
    }
}
