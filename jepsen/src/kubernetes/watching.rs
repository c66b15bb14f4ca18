//! A kubectl watch. It must never end and must miss nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::kubectl::{Kubectl, named, printed};
use crate::pace;
use crate::process::Process;

const DELIVERY_LIMIT: Duration = Duration::from_secs(30);

/// The config map that shows that a watch runs. Its name begins with `kube-`, because
/// [`super::work::Acknowledged::is_what_is_there`] ignores objects whose names begin like this. It assumes that
/// Kubernetes itself made them.
const BEFORE: &str = "kube-before-the-watch";

/// A running `kubectl get --watch`.
#[derive(Debug)]
pub struct Watching {
    process: Process,
    what: String,
}

/// One event of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub kind: String,
    pub name: String,
    pub resource_version: u64,
}

impl Watching {
    /// Starts watching `what`, for example `configmaps -n work`, beginning with its present state.
    pub fn start(kubectl: &Kubectl, what: &str) -> Self {
        let process = kubectl.start(&format!("get {what} --watch --output-watch-events -o json"));
        Watching { process, what: what.to_owned() }
    }

    /// Like [`Watching::start`] for config maps, but waits until the watch has printed its first list. So any later
    /// change arrives as an event and not as a part of that list.
    ///
    /// # Panics
    /// If the config map cannot be created, or if the watch does not begin.
    pub fn running(kubectl: &Kubectl, namespace: &str, what: &str) -> Self {
        let made = kubectl.run(&format!("create configmap {BEFORE} -n {namespace}"));
        assert!(made.success, "{}", made.stderr);
        let watching = Self::start(kubectl, what);
        let runs = || watching.events().iter().any(|e| e.name == BEFORE).then_some(());
        assert!(pace::wait_for(DELIVERY_LIMIT, runs).is_some(), "the watch of {what} does not begin");
        watching
    }

    /// The last lines that kubectl printed, if the watch has ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<String> {
        self.process.wait(Duration::ZERO)?;
        Some(self.process.log().tail())
    }

    /// All events received so far.
    pub fn events(&self) -> Vec<Seen> {
        let text = self.process.log().lines().join("\n");
        let events = printed(&text);
        let seen = events.iter().map(|event| {
            let object = named(&event["object"]);
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            Seen { kind, name: object.name, resource_version: object.resource_version }
        });
        seen.collect()
    }

    /// Checks that the watch still runs, that its versions only grow, that each of `versions` was seen, and that each
    /// event fits the events before it: only an object that was not there is added, and only one that was there is
    /// changed or deleted.
    ///
    /// # Panics
    /// If one of these does not hold.
    pub fn missed_nothing(&mut self, versions: &BTreeSet<u64>) {
        let complete = pace::wait_for(DELIVERY_LIMIT, || {
            let seen: BTreeSet<u64> = self.events().iter().map(|event| event.resource_version).collect();
            versions.is_subset(&seen).then_some(())
        });
        let events = self.events();
        let seen: BTreeSet<u64> = events.iter().map(|event| event.resource_version).collect();
        let missed: Vec<_> = versions.difference(&seen).collect();
        assert!(complete.is_some(), "the watch of {} missed the versions {missed:?}", self.what);
        assert!(
            self.process.wait(Duration::ZERO).is_none(),
            "the watch of {} ended: {}",
            self.what,
            self.process.log().tail()
        );
        let mut present = BTreeSet::new();
        for pair in events.windows(2) {
            let sorted = pair[0].resource_version < pair[1].resource_version;
            assert!(sorted, "the watch of {} went back: {pair:?}", self.what);
        }
        for event in &events {
            let expected = match event.kind.as_str() {
                "ADDED" => present.insert(event.name.clone()),
                "DELETED" => present.remove(&event.name),
                _ => present.contains(&event.name),
            };
            assert!(expected, "the watch of {} has a gap before {event:?}", self.what);
        }
    }
}
