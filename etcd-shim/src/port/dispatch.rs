//! Where a request goes: a gRPC call to its service, any other request to axum.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::future::RouteFuture;
use http::header::CONTENT_TYPE;
use http::{Request, Response, Version};
use http_body_util::Either;
use hyper::body::Incoming;
use naxos_proto::seams::Clock;
use tower::Service;

use super::call_check::{check, is_for_grpc};
use super::config::Traffic;
use super::grpc_routes::{GrpcFuture, GrpcRoutes};
use super::long_answer::unpacked;
use super::message_limit::translated;
use super::peer::Peer;
use super::timed::{Deadline, within};

/// The services of one runtime.
pub(super) struct Services {
    /// The gRPC services.
    pub(super) grpc: GrpcRoutes,
    /// The HTTP routes of client URLs.
    pub(super) http: Router,
    /// The HTTP routes of metrics URLs.
    pub(super) metrics: Router,
    /// Measures the time of calls that have a time-out of their own.
    pub(super) clock: Arc<dyn Clock>,
}

/// hyper's service for one connection.
#[derive(Clone)]
pub(super) struct Dispatch {
    /// The runtime's services.
    pub(super) services: Arc<Services>,
    /// What the listener serves.
    pub(super) traffic: Traffic,
    /// The client of the connection.
    pub(super) peer: Arc<Peer>,
}

impl hyper::service::Service<Request<Incoming>> for Dispatch {
    type Response = Response<Either<tonic::body::Body, axum::body::Body>>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        let grpc = match self.traffic {
            Traffic::All => is_grpc(&request) || self.is_for_a_service(&request),
            Traffic::Grpc => true,
            Traffic::Http | Traffic::Metrics => false,
        };
        if grpc {
            let timeout = match check(&request) {
                Ok(timeout) => timeout,
                Err(refusal) => return Answer::Refused(Some(refusal)),
            };
            if !self.peer.certificates.is_empty() {
                request.extensions_mut().insert(self.peer.clone());
            }
            let call = self.services.grpc.call(request);
            return Answer::Grpc(match timeout {
                Some(timeout) => within(call, Deadline::new(&self.services.clock, timeout)),
                None => call,
            });
        }
        request.extensions_mut().insert(self.peer.clone());
        let router = if self.traffic == Traffic::Metrics { &self.services.metrics } else { &self.services.http };
        Answer::Http(Box::new(router.clone().call(request)))
    }
}

impl Dispatch {
    /// Whether a request over HTTP/2 without TLS has the path of a gRPC service, whatever its content type is. Without
    /// TLS, etcd passes all HTTP/2 requests to grpc-go, which refuses any content type but that of gRPC. Naxos does so
    /// only with these paths, and serves its HTTP routes over HTTP/2 too.
    fn is_for_a_service(&self, request: &Request<Incoming>) -> bool {
        let path = request.uri().path();
        request.version() == Version::HTTP_2 && !self.peer.secure && self.services.grpc.has_service_of(path)
    }
}

/// Whether a request is gRPC: HTTP/2 with the content type of gRPC.
fn is_grpc(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    request.version() == Version::HTTP_2 && kind.is_some_and(|kind| is_for_grpc(kind.as_bytes()))
}

/// The answer to a request, as a future.
pub(super) enum Answer {
    /// The answer of a generated service.
    Grpc(GrpcFuture),
    /// The refusal of a call that reaches no service; `None` after it was returned.
    Refused(Option<Box<Response<tonic::body::Body>>>),
    /// The answer of axum. It is boxed so that the task of a gRPC call stays small.
    Http(Box<RouteFuture<Infallible>>),
}

impl Future for Answer {
    type Output = Result<Response<Either<tonic::body::Body, axum::body::Body>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Answer::Grpc(future) => future.as_mut().poll(cx).map_ok(|r| unpacked(translated(r)).map(Either::Left)),
            Answer::Refused(answer) => {
                let answer = answer.take().expect("an answer is not polled after it was given");
                Poll::Ready(Ok(answer.map(Either::Left)))
            }
            Answer::Http(future) => Pin::new(future).poll(cx).map_ok(|r| r.map(Either::Right)),
        }
    }
}
