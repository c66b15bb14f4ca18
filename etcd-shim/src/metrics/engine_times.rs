//! [`EngineTimes`]: what the Observer has measured, as metrics.

use std::fmt;
use std::sync::{Arc, OnceLock};

use naxos_engines::observer::{Durations, Observed, Spread};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The name of a metric, its help, and the durations that it shows.
type Kind = (&'static str, &'static str, fn(&Observed) -> &Durations);

const KINDS: [Kind; 3] = [
    (
        "naxos_engine_propose_duration_seconds",
        "How long a proposal took in an engine and those below it, from its way down to its outcome",
        |observed| &observed.propose,
    ),
    (
        "naxos_engine_sync_duration_seconds",
        "How long a check of the tail took in an engine and those below it that had to wait for an answer or for apply",
        |observed| &observed.sync,
    ),
    (
        "naxos_engine_apply_duration_seconds",
        "How long apply of an entry took in an engine and those above it",
        |observed| &observed.apply,
    ),
];

/// What the Observer has measured. Nothing is shown before [`Self::show`], or while nothing was measured.
#[derive(Clone, Default)]
pub struct EngineTimes(Arc<OnceLock<Vec<Arc<Observed>>>>);

impl EngineTimes {
    /// Shows these engines from now on. A later call changes nothing.
    pub fn show(&self, observed: &[Arc<Observed>]) {
        // The metrics of a node are those of one start, which has one stack.
        let _ = self.0.set(observed.to_vec());
    }
}

impl fmt::Debug for EngineTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineTimes").finish_non_exhaustive()
    }
}

impl Collector for EngineTimes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(observed) = self.0.get() else { return Ok(()) };
        for (name, help, durations) in KINDS {
            let spreads = observed.iter().map(|observed| (observed.engine, durations(observed).spread()));
            let spreads: Vec<(&str, Spread)> = spreads.filter(|(_, spread)| spread.count() > 0).collect();
            if spreads.is_empty() {
                continue;
            }
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for (engine, spread) in &spreads {
                let last = spread.buckets.len() - 1;
                let bound = |n| if n == last { f64::INFINITY } else { Spread::bound(n).as_secs_f64() };
                let buckets: Vec<(f64, u64)> = (0..).zip(spread.buckets).map(|(n, count)| (bound(n), count)).collect();
                let labels = [("engine", *engine)];
                let mut family = metric.encode_family(&labels)?;
                family.encode_histogram::<NoLabelSet>(spread.sum.as_secs_f64(), spread.count(), &buckets, None)?;
            }
        }
        Ok(())
    }
}
