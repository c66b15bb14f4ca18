//! `/livez` and `/readyz`: named checks. Each check also has a path of its own; `?verbose` and `?exclude=` are
//! supported.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::{Method, StatusCode};

use super::http_state::HttpState;
use super::page::{error, plain, refuse_other_than_get};
use super::server_health::AlarmKind;

/// A named check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// No alarm CORRUPT is on.
    DataCorruption,
    /// The local store answers.
    SerializableRead,
    /// The log answers.
    LinearizableRead,
    /// This member may vote.
    NonLearner,
}

/// One of the two paths, and its checks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// `livez` or `readyz`.
    pub(super) kind: &'static str,
    /// The checks in the order of the answer. (etcd's order changes from start to start.)
    pub(super) checks: &'static [Check],
}

/// If one of these checks fails, a restart may help.
pub(super) const LIVEZ: Probe = Probe { kind: "livez", checks: &[Check::SerializableRead] };
/// While one of these checks fails, requests should go to another node.
pub(super) const READYZ: Probe = Probe {
    kind: "readyz",
    checks: &[Check::DataCorruption, Check::SerializableRead, Check::LinearizableRead, Check::NonLearner],
};

impl Check {
    /// The name of the check in paths and answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Check::DataCorruption => "data_corruption",
            Check::SerializableRead => "serializable_read",
            Check::LinearizableRead => "linearizable_read",
            Check::NonLearner => "non_learner",
        }
    }

    async fn run(self, state: &HttpState) -> Result<(), String> {
        match self {
            Check::DataCorruption => {
                let corrupt = state.server.alarms().iter().any(|(_, kind)| *kind == AlarmKind::Corrupt);
                if corrupt { Err("alarm activated: CORRUPT".to_owned()) } else { Ok(()) }
            }
            Check::SerializableRead => state.read(true).await,
            Check::LinearizableRead => state.read(false).await,
            Check::NonLearner if state.server.is_learner() => Err("not supported for learner".to_owned()),
            Check::NonLearner => Ok(()),
        }
    }
}

/// Answers a probe with all its checks, or with the one check that the path names.
pub(super) async fn probe(
    probe: Probe,
    only: Option<Check>,
    State(state): State<Arc<HttpState>>,
    method: Method,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let path = only.map_or_else(|| format!("/{}", probe.kind), |c| format!("/{}/{}", probe.kind, c.name()));
    if let Some(refusal) = refuse_other_than_get(&method) {
        tracing::warn!(path, "status-code" = 405, "Health request error");
        return refusal;
    }
    let excluded: Vec<&str> =
        query.iter().filter(|(k, v)| k == "exclude" && !v.is_empty()).map(|(_, v)| v.as_str()).collect();
    let checks: Vec<Check> = match only {
        Some(check) => vec![check],
        None => probe.checks.iter().copied().filter(|c| !excluded.contains(&c.name())).collect(),
    };
    let unknown: Vec<&&str> = excluded.iter().filter(|e| probe.checks.iter().all(|c| c.name() != **e)).collect();
    if only.is_none() && !unknown.is_empty() {
        tracing::warn!("missing-health-checks" = ?unknown, "some health checks cannot be excluded");
    }
    let (mut report, mut good) = (String::new(), true);
    for check in checks {
        let result = check.run(&state).await;
        state.metrics.health.record(probe.kind, check.name(), result.is_ok());
        match result {
            Ok(()) => report.push_str(&format!("[+]{} ok\n", check.name())),
            Err(reason) => {
                good = false;
                report.push_str(&format!("[-]{} failed: {reason}\n", check.name()));
            }
        }
    }
    if !good {
        tracing::error!(path, reason = report, "status-code" = 503, "Health check error");
        return error(StatusCode::SERVICE_UNAVAILABLE, &report);
    }
    if !query.iter().any(|(k, _)| k == "verbose") {
        report.clear();
    }
    report.push_str("ok\n");
    plain(StatusCode::OK, report)
}
