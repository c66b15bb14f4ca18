//! Checks two models: that of the replicated log, and that of the founding of a cluster. With all rules, no execution
//! may break a property. If a single rule is left out, whichever it is, some execution must break a property.
//! `naxos-jepsen model --deep` checks larger models.
#![cfg(test)]

use naxos_jepsen::model::case::{Case, cases};
use naxos_jepsen::model::founding::foundings;
use naxos_jepsen::model::report::Report;

#[test]
fn with_all_rules_no_property_breaks_and_without_one_of_them_some_property_breaks() {
    for Case { name, setting, rules } in cases() {
        let report = Report::of(setting.clone());
        assert!(report.failures.is_empty(), "{name}: {report}\n{:#?}", report.failures);
        for rule in rules {
            let report = Report::of(setting.without(rule));
            assert!(report.has_counterexample(), "{name}, without {rule:?}: {report}");
        }
    }
}

#[test]
fn a_cluster_is_founded_once() {
    for (name, founding) in foundings() {
        let is_wanted = founding.without.is_some();
        let report = Report::of(founding);
        assert_eq!(report.has_counterexample(), is_wanted, "{name}: {report}");
        assert!(is_wanted || report.failures.is_empty(), "{name}: {report}");
    }
}
