//! [`NamedRegistry`]: a registry that keeps etcd's names exactly.
//!
//! prometheus-client writes OpenMetrics: the samples of every counter end in `_total`, and the `# HELP` and `# TYPE`
//! lines lack this ending. In etcd's text both have the same name, and some counters have no `_total` at all. So
//! counters are registered without the ending, and [`super::exposition`] restores the exact name.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::exposition;

/// A set of labels; their number is small and known at compile time.
pub(super) type Labels<const N: usize> = [(&'static str, String); N];

/// Histograms, one for each set of labels.
pub(super) type HistogramFamily<L> = Family<L, Histogram, fn() -> Histogram>;

/// The registry, and the exact names of its counters.
#[derive(Debug, Default)]
pub(super) struct NamedRegistry {
    registry: Registry,
    counters: BTreeMap<String, String>,
}

impl NamedRegistry {
    fn add_counter(&mut self, name: &str, help: &str, metric: impl Metric) {
        let base = name.strip_suffix("_total").unwrap_or(name);
        self.counters.insert(base.to_owned(), name.to_owned());
        self.registry.register(base, help, metric);
    }

    /// Adds a counter.
    pub(super) fn counter(&mut self, name: &str, help: &str) -> Counter {
        let counter = Counter::<u64, AtomicU64>::default();
        self.add_counter(name, help, counter.clone());
        counter
    }

    /// Adds a gauge.
    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.registry.register(name, help, gauge.clone());
        gauge
    }

    /// Adds a histogram with `count` buckets: `start`, `start * 2`, and so on.
    pub(super) fn histogram(&mut self, name: &str, help: &str, start: f64, count: u16) -> Histogram {
        let histogram = Histogram::new(buckets(start, count));
        self.registry.register(name, help, histogram.clone());
        histogram
    }

    /// Adds counters, one for each set of labels.
    pub(super) fn counters<L: LabelSet>(&mut self, name: &str, help: &str) -> Family<L, Counter> {
        let family = Family::<L, Counter>::default();
        self.add_counter(name, help, family.clone());
        family
    }

    /// Adds gauges, one for each set of labels.
    pub(super) fn gauges<L: LabelSet>(&mut self, name: &str, help: &str) -> Family<L, Gauge> {
        let family = Family::<L, Gauge>::default();
        self.registry.register(name, help, family.clone());
        family
    }

    /// Adds histograms, one for each set of labels.
    pub(super) fn histograms<L: LabelSet>(
        &mut self,
        name: &str,
        help: &str,
        new: fn() -> Histogram,
    ) -> HistogramFamily<L> {
        let family = HistogramFamily::<L>::new_with_constructor(new);
        self.registry.register(name, help, family.clone());
        family
    }

    /// Adds metrics that are read at each scrape. Returns their handle.
    pub(super) fn collector<C: Collector + Clone>(&mut self, collector: C) -> C {
        self.registry.register_collector(Box::new(collector.clone()));
        collector
    }

    /// All metrics as text.
    pub(super) fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("writing to a string does not fail");
        exposition::to_prometheus(&text, &self.counters)
    }
}

/// A type that can be a set of labels.
pub(super) trait LabelSet:
    EncodeLabelSet + Clone + std::hash::Hash + Eq + std::fmt::Debug + Send + Sync + 'static
{
}
impl<T: EncodeLabelSet + Clone + std::hash::Hash + Eq + std::fmt::Debug + Send + Sync + 'static> LabelSet for T {}

/// The upper bounds of `count` buckets: `start`, and each next one twice as large. Multiplying by a power of two is
/// exact, so no bound is printed as 0.00029999.
pub(super) fn buckets(start: f64, count: u16) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| start * f64::from(1_u32 << i))
}
