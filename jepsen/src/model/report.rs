//! [`Report`]: what the check of a model found.

use std::fmt;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// Threads that visit worlds.
const THREADS: usize = 2;

/// See the module.
#[derive(Debug)]
pub struct Report {
    /// How many different worlds were visited.
    pub worlds: usize,
    /// The properties that do not hold in some world, each with the steps to that world. If there are none: the events
    /// that happen in no world, each without steps.
    pub failures: Vec<Failure>,
}

/// A property that was violated, or an event that was not reached.
#[derive(Debug)]
pub struct Failure {
    /// The property or event in words.
    pub property: &'static str,
    /// The steps to the world in which the property does not hold. `None` for an event.
    pub steps: Option<Vec<String>>,
}

impl Report {
    /// Visits every world of a model. Ends early when a world violates a property.
    pub fn of<M>(model: M) -> Self
    where
        M: Model + Send + Sync + 'static,
        M::State: Clone + PartialEq + Hash + Send + Sync + fmt::Debug + 'static,
        M::Action: Clone + PartialEq + Send + Sync + fmt::Debug + 'static,
    {
        let properties = model.properties();
        let checker = model.checker().threads(THREADS).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let found = checker.discoveries();
        let mut failures = Vec::new();
        for property in properties {
            let path = found.get(property.name).cloned();
            let steps = path.map(|path| path.into_actions().iter().map(|step| format!("{step:?}")).collect());
            // A property fails when a world violates it, an event when no world has it.
            if property.expectation.discovery_is_failure() == steps.is_some() {
                failures.push(Failure { property: property.name, steps });
            }
        }
        // A check that ended early has not visited every world, so it does not show that an event never happens.
        if failures.iter().any(|failure| failure.steps.is_some()) {
            failures.retain(|failure| failure.steps.is_some());
        }
        Self { worlds: checker.unique_state_count(), failures }
    }

    /// Whether a property does not hold in some world. An event that was not reached does not count.
    pub fn has_counterexample(&self) -> bool {
        self.failures.iter().any(|failure| failure.steps.is_some())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} worlds", self.worlds)?;
        for Failure { property, steps } in &self.failures {
            match steps {
                None => write!(out, "; never reached: {property}")?,
                Some(steps) => write!(out, "; violated after {} steps: {property}", steps.len())?,
            }
        }
        Ok(())
    }
}
