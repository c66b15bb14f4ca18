//! Creates, patches and deletes objects with kubectl, and remembers which changes were acknowledged.
//!
//! While the server is being killed, a command may fail. Then it is repeated. If a command fails, only the objects that
//! it printed may count as acknowledged. Acknowledged changes must never be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::kubectl::{Kubectl, named, printed};
use crate::pace;

/// Number of objects in one command.
const BATCH: usize = 50;
/// How long one command may take, with all its repetitions.
const PATIENCE: Duration = Duration::from_secs(300);
const AGAIN: Duration = Duration::from_millis(300);

/// The resource that the custom resource definition adds, as kubectl names it.
pub const WIDGETS: &str = "widgets.naxos.invalid";

const WIDGET_DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.naxos.invalid
spec:
  group: naxos.invalid
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        x-kubernetes-preserve-unknown-fields: true
";

/// The acknowledged state of the objects of one kind.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// The version of each object that exists. 0 if only its existence is known.
    pub present: BTreeMap<String, u64>,
    /// Every version that was ever acknowledged.
    pub versions: BTreeSet<u64>,
}

impl Acknowledged {
    fn put(&mut self, name: String, version: u64) {
        self.versions.insert(version);
        self.present.insert(name, version);
    }

    /// Compares the acknowledged objects with those that `kubectl get {what}` lists.
    ///
    /// # Panics
    /// If an acknowledged object is gone or changed, or if another object is there.
    pub fn is_what_is_there(&self, kubectl: &Kubectl, what: &str) {
        let listed = until_success(what, || kubectl.list(&format!("get {what}")));
        let there: BTreeMap<_, _> = listed.into_iter().map(|object| (object.name, object.resource_version)).collect();
        for (name, version) in &self.present {
            let found = there.get(name).copied();
            let right = found.is_some_and(|found| found == *version || *version == 0);
            assert!(right, "{what}: {name} was acknowledged at version {version}, there is {found:?}");
        }
        // Kubernetes itself makes a config map in every namespace. Its name begins with `kube-`.
        let strange: Vec<_> =
            there.keys().filter(|name| !self.present.contains_key(*name) && !name.starts_with("kube-")).collect();
        assert!(strange.is_empty(), "{what}: {strange:?} are there, but were deleted or never created");
    }
}

/// Repeats a command until it succeeds.
///
/// # Panics
/// If it has not succeeded within the time limit.
pub fn until_success<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let end = pace::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(reason) => give_up_after(end, what, &reason),
        }
    }
}

fn give_up_after(end: Instant, what: &str, reason: &str) {
    assert!(pace::now() < end, "{what}: still {reason}");
    pace::sleep(AGAIN);
}

/// Repeats a command until it succeeds, and returns its stdout.
pub fn insist(kubectl: &Kubectl, line: &str, input: &str) -> String {
    until_success(line, || {
        let ended = kubectl.run_with(line, input);
        if ended.success { Ok(ended.stdout) } else { Err(ended.stderr) }
    })
}

/// Creates the namespaces and the definition of widgets, and waits until widgets can be listed.
pub fn prepare(kubectl: &Kubectl, namespaces: &[&str]) {
    for name in namespaces {
        let manifest = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
        insist(kubectl, "apply -f -", &manifest);
    }
    insist(kubectl, "apply -f -", WIDGET_DEFINITION);
    insist(kubectl, &format!("wait --for=condition=established crd/{WIDGETS}"), "");
    insist(kubectl, &format!("get {WIDGETS} -A"), "");
}

/// Creates `count` widgets in a namespace, in batches. Each batch is repeated until all its objects are acknowledged.
pub fn create_widgets(kubectl: &Kubectl, namespace: &str, count: usize) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let names: Vec<String> = (0..count).map(|number| format!("widget-{number:04}")).collect();
    for batch in names.chunks(BATCH) {
        let end = pace::now() + PATIENCE;
        loop {
            let open: Vec<_> = batch.iter().filter(|name| !acknowledged.present.contains_key(*name)).collect();
            if open.is_empty() {
                break;
            }
            let mut manifests = String::new();
            for name in open {
                write!(
                    manifests,
                    "---\napiVersion: naxos.invalid/v1\nkind: Widget\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
                )
                .expect("a string takes everything");
            }
            let ended = kubectl.run_with("create -f - -o json", &manifests);
            for object in printed(&ended.stdout) {
                let object = named(&object);
                acknowledged.put(object.name, object.resource_version);
            }
            let existing = ended.stderr.lines().filter(|line| line.contains("AlreadyExists"));
            for name in existing.filter_map(|line| line.split('"').find(|part| part.starts_with("widget-"))) {
                // The widget was created, but the answer was lost. So only its existence is known.
                acknowledged.present.entry(name.to_owned()).or_insert(0);
            }
            if !ended.success {
                give_up_after(end, "widgets", &ended.stderr);
            }
        }
    }
    acknowledged
}

/// Applies and patches one config map after the other, and deletes every third one again. Ends when at least `least`
/// were made and `enough` returns true.
pub fn change_config_maps(kubectl: &Kubectl, namespace: &str, least: usize, enough: impl Fn() -> bool) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut number = 0;
    while number < least || !enough() {
        let name = format!("config-{number:04}");
        let manifest = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{step: \"0\"}}\n"
        );
        let applied = insist(kubectl, "apply -f - -o json", &manifest);
        let patch = r#"{"data":{"step":"1"}}"#;
        let line = format!("patch configmap {name} -n {namespace} --type=merge -o json -p {patch}");
        let patched = insist(kubectl, &line, "");
        for object in printed(&applied).iter().chain(&printed(&patched)) {
            acknowledged.put(name.clone(), named(object).resource_version);
        }
        if number % 3 == 2 {
            insist(kubectl, &format!("delete configmap {name} -n {namespace} --ignore-not-found"), "");
            acknowledged.present.remove(&name);
        }
        number += 1;
    }
    acknowledged
}

/// Makes a namespace with a few objects and deletes it again.
pub fn come_and_go(kubectl: &Kubectl, namespace: &str) {
    prepare(kubectl, &[namespace]);
    change_config_maps(kubectl, namespace, 4, || true);
    create_widgets(kubectl, namespace, 20);
    delete_namespaces(kubectl, &[namespace]);
}

/// Deletes namespaces and waits until they and everything in them are gone.
pub fn delete_namespaces(kubectl: &Kubectl, namespaces: &[&str]) {
    insist(kubectl, &format!("delete namespace {} --ignore-not-found --wait=false", namespaces.join(" ")), "");
    until_success("namespaces to be gone", || {
        let left: Vec<_> = kubectl.list("get namespaces")?.into_iter().map(|object| object.name).collect();
        let left: Vec<_> = left.iter().filter(|name| namespaces.contains(&name.as_str())).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("there: {left:?}")) }
    });
}

/// Creates a Deployment of `replicas` pods and returns when as many pod objects exist.
pub fn deploy(kubectl: &Kubectl, namespace: &str, replicas: usize) {
    let manifest = format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: naxos.invalid/web}}]}}
"
    );
    insist(kubectl, "apply -f -", &manifest);
    until_success("the pods of the deployment", || {
        let pods = kubectl.list(&format!("get pods -n {namespace}"))?.len();
        if pods == replicas { Ok(()) } else { Err(format!("{pods} pods of {replicas}")) }
    });
}

/// Reads all widgets of a namespace page by page and returns the number of widgets on each page.
///
/// # Panics
/// If an object is on two pages.
pub fn page_widgets(kubectl: &Kubectl, namespace: &str, limit: usize) -> Vec<usize> {
    let mut pages = Vec::new();
    let mut names = BTreeSet::new();
    let mut token = String::new();
    loop {
        let path = format!("/apis/naxos.invalid/v1/namespaces/{namespace}/widgets?limit={limit}&continue={token}");
        let page: serde_json::Value =
            serde_json::from_str(&insist(kubectl, &format!("get --raw {path}"), "")).expect("a page is JSON");
        let items: Vec<_> = page["items"].as_array().into_iter().flatten().map(named).collect();
        pages.push(items.len());
        for object in items {
            assert!(names.insert(object.name.clone()), "{} is on two pages", object.name);
        }
        token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            return pages;
        }
    }
}
