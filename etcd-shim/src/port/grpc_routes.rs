//! From a gRPC path to the generated service.
//!
//! tonic's own `Routes` goes through an axum router, which boxes the body of every request and answer several times
//! and clones a boxed service. There are a dozen services: comparing their names in turn is cheaper than all that.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

/// What the services that tonic generates answer.
pub type GrpcFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

type Handler = Box<dyn Fn(Request<Incoming>) -> GrpcFuture + Send + Sync>;

/// The services of one runtime. The most used ones go in first.
#[derive(Default)]
pub struct GrpcRoutes {
    services: Vec<(&'static str, Handler)>,
}

impl GrpcRoutes {
    /// Adds a generated service: `routes.add_service(KvServer::new(kv))`.
    pub fn add_service<S>(mut self, service: S) -> GrpcRoutes
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = GrpcFuture>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let handler = move |request: Request<Incoming>| service.clone().call(request);
        self.services.push((S::NAME, Box::new(handler)));
        self
    }

    /// Starts a call.
    pub(super) fn call(&self, request: Request<Incoming>) -> GrpcFuture {
        let path = request.uri().path();
        let service = path.strip_prefix('/').and_then(|p| p.split_once('/')).map(|(service, _)| service);
        match service.and_then(|name| self.services.iter().find(|(n, _)| *n == name)) {
            Some((_, handler)) => handler(request),
            None => {
                let status = tonic::Status::unimplemented(match service {
                    Some(name) => format!("unknown service {name}"),
                    None => format!("malformed method name: {path:?}"),
                });
                Box::pin(std::future::ready(Ok(status.into_http())))
            }
        }
    }
}
