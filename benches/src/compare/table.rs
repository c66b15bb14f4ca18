//! The comparison's tables.

use super::rounds::{Median, RowResult};
use super::verdicts::Verdict;
use crate::report::markdown::Table;
use crate::report::verdict;
use crate::servers::Candidate;

/// Every server's medians and their ratios to etcd.
pub(super) fn figures(results: &[RowResult]) -> Table {
    let mut table = Table::new(&[
        "work",
        "server",
        "ops/s",
        "x etcd",
        "p50 us",
        "x etcd",
        "p99 us",
        "CPU us/op",
        "x etcd",
        "other cores",
        "errors",
    ]);
    for result in results {
        let etcd = result.median_of(Candidate::Etcd);
        for server in &result.servers {
            let median = &server.median;
            let ratio = |of: fn(&Median) -> f64| etcd.map_or("-".to_owned(), |etcd| ratio(of(median) / of(etcd)));
            table.row(vec![
                result.row.name.to_owned(),
                server.candidate.to_string(),
                format!("{:.0}", median.per_second),
                ratio(|median| median.per_second),
                format!("{:.0}", median.p50_us),
                ratio(|median| median.p50_us),
                format!("{:.0}", median.p99_us),
                format!("{:.1}", median.cpu_us),
                ratio(|median| median.cpu_us),
                format!("{:.2}", median.other_cores),
                median.errors.to_string(),
            ]);
        }
    }
    table
}

/// The limits, and whether Naxos meets them.
pub(super) fn verdicts(verdicts: &[Verdict]) -> Table {
    let mut table = Table::new(&["work", "naxos to etcd", "measured", "limit", "verdict"]);
    for verdict in verdicts {
        table.row(vec![
            verdict.row.to_owned(),
            verdict.figure.to_owned(),
            format!("{} x", ratio(verdict.ratio)),
            verdict.limit.clone(),
            verdict::verdict(Some(verdict.held)),
        ]);
    }
    table
}

fn ratio(ratio: f64) -> String {
    if ratio >= 100.0 { format!("{ratio:.0}") } else { format!("{ratio:.2}") }
}
