//! `grpc_server_*`: the counters of every RPC. They are looked up once at the start, so a call costs a few atomic adds.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use tonic::Code;

use super::registry::{Labels, NamedRegistry};
use super::rpc_method::Method;
use crate::config::MetricsLevel;

/// Go's names of gRPC's codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// The buckets of grpc-prometheus.
const HANDLING_SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The counters of one RPC.
#[derive(Debug)]
pub struct RpcCounters {
    started: Counter,
    handled: [Counter; CODES.len()],
    received: Counter,
    sent: Counter,
    seconds: Option<Histogram>,
}

impl RpcCounters {
    /// Counts the start of a call.
    pub fn started(&self) {
        self.started.inc();
    }

    /// Counts the end of a call with this code.
    pub fn handled(&self, code: Code) {
        self.handled[code as usize].inc();
    }

    /// Counts a message from a client. Nothing calls this yet, so the metric stays 0.
    pub fn message_received(&self) {
        self.received.inc();
    }

    /// Counts a message to a client. Nothing calls this yet, so the metric stays 0.
    pub fn message_sent(&self) {
        self.sent.inc();
    }

    /// Whether [`RpcCounters::took`] records anything. If not, the caller need not read the clock.
    pub fn wants_time(&self) -> bool {
        self.seconds.is_some()
    }

    /// Records how long a call took (only with `--metrics=extensive`).
    pub fn took(&self, time: Duration) {
        if let Some(seconds) = &self.seconds {
            seconds.observe(time.as_secs_f64());
        }
    }
}

/// The counters of all RPCs, by [`Method`].
#[derive(Debug)]
pub struct RpcMetrics {
    methods: Vec<RpcCounters>,
}

impl RpcMetrics {
    pub(super) fn register(r: &mut NamedRegistry, level: MetricsLevel) -> RpcMetrics {
        let started =
            r.counters::<Labels<3>>("grpc_server_started_total", "Total number of RPCs started on the server");
        let handled =
            r.counters::<Labels<4>>("grpc_server_handled_total", "Total number of RPCs completed on the server");
        let received = r.counters::<Labels<3>>("grpc_server_msg_received_total", "Total number of messages received");
        let sent = r.counters::<Labels<3>>("grpc_server_msg_sent_total", "Total number of messages sent");
        let seconds = (level == MetricsLevel::Extensive).then(|| {
            let new = || Histogram::new(HANDLING_SECONDS);
            r.histograms::<Labels<3>>("grpc_server_handling_seconds", "Seconds of an RPC on the server", new)
        });
        let methods = Method::ALL.iter().map(|method| {
            let labels = labels(*method);
            RpcCounters {
                started: started.get_or_create_owned(&labels),
                handled: std::array::from_fn(|code| handled.get_or_create_owned(&with_code(&labels, code))),
                received: received.get_or_create_owned(&labels),
                sent: sent.get_or_create_owned(&labels),
                seconds: seconds.as_ref().map(|s| s.get_or_create_owned(&labels)),
            }
        });
        RpcMetrics { methods: methods.collect() }
    }

    /// The counters of one RPC.
    pub fn of(&self, method: Method) -> &RpcCounters {
        &self.methods[method as usize]
    }
}

fn labels(method: Method) -> Labels<3> {
    let (service, name, kind) = method.labels();
    [("grpc_method", name.to_owned()), ("grpc_service", service.to_owned()), ("grpc_type", kind.label().to_owned())]
}

fn with_code(labels: &Labels<3>, code: usize) -> Labels<4> {
    let [method, service, kind] = labels.clone();
    [("grpc_code", CODES[code].to_owned()), method, service, kind]
}
