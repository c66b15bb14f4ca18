//! Finds the generated service for a gRPC path.
//!
//! tonic's own `Routes` uses an axum router, which boxes the body of every request and answer several times and clones
//! a boxed service. There are fewer than ten services: comparing their names one after the other is cheaper than that.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::metrics::Method;

/// The answer of the services that tonic generates.
pub type GrpcFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// Looks at the metadata of a call. Refuses the call, or not.
type Guard = Box<dyn Fn(&HeaderMap) -> Option<Status> + Send + Sync>;

type Handler = Box<dyn Fn(Request<Incoming>) -> GrpcFuture + Send + Sync>;

/// The services of one runtime. The most used ones should be added first.
#[derive(Default)]
pub struct GrpcRoutes {
    services: Vec<Route>,
    guard: Option<Guard>,
}

/// One service.
struct Route {
    name: &'static str,
    /// The names of the service's methods, as the metrics know them ([`Method`]). It is empty for a service whose calls
    /// the metrics do not count.
    methods: Vec<&'static str>,
    handler: Handler,
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
        let labels = Method::ALL.iter().map(|method| method.labels());
        let methods = labels.filter(|(service, ..)| *service == S::NAME).map(|(_, method, _)| method).collect();
        self.services.push(Route { name: S::NAME, methods, handler: Box::new(handler) });
        self
    }

    /// Refuses the calls for which `guard` gives a status. Such a call is not counted, as in etcd.
    pub fn guarded_by(mut self, guard: impl Fn(&HeaderMap) -> Option<Status> + Send + Sync + 'static) -> GrpcRoutes {
        self.guard = Some(Box::new(guard));
        self
    }

    /// Whether `path` names one of the services.
    pub(super) fn has_service_of(&self, path: &str) -> bool {
        split(path).is_some_and(|(service, _)| self.route(service).is_some())
    }

    fn route(&self, service: &str) -> Option<&Route> {
        self.services.iter().find(|route| route.name == service)
    }

    /// Starts a call. An unknown service or method is answered with the text of grpc-go; tonic would give no text. The
    /// names of the methods come from the metrics. So tonic answers unknown methods of a service that is not counted
    /// there.
    pub(super) fn call(&self, request: Request<Incoming>) -> GrpcFuture {
        let path = request.uri().path();
        let Some((service, method)) = split(path) else {
            return unimplemented(format!("malformed method name: {path:?}"));
        };
        if let Some(refusal) = self.guard.as_ref().and_then(|guard| guard(request.headers())) {
            return refuse(refusal);
        }
        match self.route(service) {
            Some(route) if route.methods.is_empty() || route.methods.contains(&method) => (route.handler)(request),
            Some(_) => unimplemented(format!("unknown method {method} for service {service}")),
            None => unimplemented(format!("unknown service {service}")),
        }
    }
}

/// The service and the method that `path` names.
fn split(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix('/').unwrap_or(path).rsplit_once('/')
}

fn unimplemented(text: String) -> GrpcFuture {
    refuse(Status::unimplemented(text))
}

fn refuse(why: Status) -> GrpcFuture {
    Box::pin(std::future::ready(Ok(why.into_http())))
}
