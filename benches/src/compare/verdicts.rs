//! Whether Naxos meets its limits against etcd.

use serde::Serialize;

use super::rounds::{Median, RowResult};
use crate::servers::Candidate;

/// One limit, with the measured ratio.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Verdict {
    pub row: &'static str,
    /// The figure that is limited: throughput, p50 latency or CPU.
    pub figure: &'static str,
    /// The figure of Naxos divided by that of etcd.
    pub ratio: f64,
    /// The limit in words.
    pub limit: String,
    pub held: bool,
}

/// Judges the rows that both Naxos and etcd ran.
pub(super) fn judge(results: &[RowResult]) -> Vec<Verdict> {
    results.iter().flat_map(judge_row).collect()
}

fn judge_row(result: &RowResult) -> Vec<Verdict> {
    let (Some(naxos), Some(etcd)) = (result.median_of(Candidate::Naxos), result.median_of(Candidate::Etcd)) else {
        return Vec::new();
    };
    let limits = result.row.limits;
    let at_least = limits.throughput_min.map(|min| {
        let ratio = naxos.per_second / etcd.per_second;
        Verdict { row: result.row.name, figure: "throughput", ratio, limit: format!(">= {min} x"), held: ratio >= min }
    });
    let at_most = |figure, max: Option<f64>, of: fn(&Median) -> f64| {
        max.map(|max| {
            let ratio = of(naxos) / of(etcd);
            Verdict { row: result.row.name, figure, ratio, limit: format!("<= {max} x"), held: ratio <= max }
        })
    };
    let p50 = at_most("p50 latency", limits.p50_max, |median| median.p50_us);
    let cpu = at_most("CPU per operation", limits.cpu_max, |median| median.cpu_us);
    [at_least, p50, cpu].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::limits::Limits;
    use super::super::rounds::tests::row_result;
    use super::*;

    #[test]
    fn ratios_are_of_naxos_to_etcd_and_each_limit_has_its_verdict() {
        let median = |per_second, cpu_us| Median { per_second, cpu_us, ..Median::default() };
        let result = row_result(
            Limits::both(2.2, 0.36),
            &[(Candidate::Naxos, median(44.0, 2.0)), (Candidate::Etcd, median(20.0, 5.0))],
        );
        let held: Vec<_> = judge(&[result]).iter().map(|verdict| (verdict.ratio, verdict.held)).collect();
        assert_eq!(held, [(2.2, true), (0.4, false)]);
    }

    #[test]
    fn without_naxos_there_is_nothing_to_judge() {
        assert!(judge(&[row_result(Limits::cpu(1.0), &[(Candidate::Etcd, Median::default())])]).is_empty());
    }
}
