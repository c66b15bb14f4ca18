//! Tables: rows, secondary indexes, transactions over two tables, reads at a version, and the changes of rows.

use bytes::Bytes;
use naxos_engines::objects::tables::{Row, Table, TableError};
use naxos_engines::objects::{Decision, Objects, Transaction, Version};

use crate::replica::World;

/// A pod, found by its node and by its phase.
#[derive(Clone, Debug, PartialEq)]
struct Pod {
    name: String,
    node: Option<String>,
    phase: u8,
}

impl Pod {
    fn new(name: &str, node: Option<&str>, phase: u8) -> Self {
        Self { name: name.to_owned(), node: node.map(str::to_owned), phase }
    }
}

impl Row for Pod {
    const INDEXES: &'static [&'static str] = &["node", "phase"];

    fn key(&self) -> Bytes {
        self.name.clone().into()
    }

    fn indexed(&self, index: &str) -> Option<Bytes> {
        match index {
            "node" => self.node.clone().map(Bytes::from),
            _ => Some(Bytes::copy_from_slice(&[self.phase])),
        }
    }

    fn encode(&self) -> Bytes {
        format!("{}|{}|{}", self.name, self.node.as_deref().unwrap_or_default(), self.phase).into()
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(bytes).map_err(|e| e.to_string())?;
        let parts: Vec<&str> = text.split('|').collect();
        let [name, node, phase] = parts[..] else { return Err(format!("expected three parts, found {text:?}")) };
        let phase = phase.parse().map_err(|_| format!("expected a phase, found {phase:?}"))?;
        Ok(Pod::new(name, Some(node).filter(|node| !node.is_empty()), phase))
    }
}

async fn change(objects: &Objects, change: impl FnOnce(&mut Transaction)) -> Version {
    let mut transaction = objects.begin().await.unwrap();
    change(&mut transaction);
    match transaction.commit().await.unwrap() {
        Decision::Committed(version) => version,
        Decision::Aborted(why) => panic!("{why}"),
    }
}

fn names(pods: &[Pod]) -> Vec<&str> {
    pods.iter().map(|pod| pod.name.as_str()).collect()
}

#[tokio::test]
async fn indexes_follow_the_rows_and_a_transaction_sees_its_own_rows() {
    let replica = World::alone(1).await;
    let pods: Table<Pod> = replica.objects.table("pods").await.unwrap();
    change(&replica.objects, |t| {
        for pod in [Pod::new("a", Some("n1"), 0), Pod::new("b", None, 0), Pod::new("c", Some("n1"), 2)] {
            assert_eq!(pods.put(t, &pod), Ok(None));
        }
        assert_eq!(names(&pods.find(t, "node", "n1", 10).unwrap()), ["a", "c"]);
    })
    .await;
    change(&replica.objects, |t| {
        assert_eq!(pods.put(t, &Pod::new("b", Some("n2"), 1)), Ok(Some(Pod::new("b", None, 0))));
        assert_eq!(pods.remove(t, "a"), Ok(Some(Pod::new("a", Some("n1"), 0))));
        assert_eq!(pods.remove(t, "gone"), Ok(None));
    })
    .await;
    change(&replica.objects, |t| {
        assert_eq!(names(&pods.find(t, "node", "n1", 10).unwrap()), ["c"]);
        assert_eq!(names(&pods.find(t, "node", "n2", 10).unwrap()), ["b"]);
        assert_eq!(names(&pods.find(t, "node", "n", 10).unwrap()), Vec::<&str>::new(), "found by a part of the value");
        assert_eq!(names(&pods.find_between(t, "phase", ([0], [2]), 10).unwrap()), ["b"]);
        assert_eq!(names(&pods.find_between(t, "phase", ([1], [9]), 10).unwrap()), ["b", "c"]);
        assert_eq!(names(&pods.find_between(t, "phase", ([1], [9]), 1).unwrap()), ["b"]);
        let unknown = pods.find(t, "zone", "x", 1).unwrap_err().to_string();
        assert_eq!(unknown, r#"the table "pods" has no index "zone", expected one of ["node", "phase"]"#);
    })
    .await;
}

#[tokio::test]
async fn of_two_transactions_that_take_the_same_free_pod_one_is_aborted() {
    let replica = World::alone(2).await;
    let pods: Table<Pod> = replica.objects.table("pods").await.unwrap();
    let taken = replica.objects.counter("taken").await.unwrap();
    change(&replica.objects, |t| drop(pods.put(t, &Pod::new("a", None, 0)).unwrap())).await;
    let mut both = Vec::new();
    for node in ["n1", "n2"] {
        let mut t = replica.objects.begin().await.unwrap();
        let free = pods.find(&mut t, "phase", [0], 1).unwrap().remove(0);
        pods.put(&mut t, &Pod { node: Some(node.to_owned()), phase: 1, ..free }).unwrap();
        t.write(taken.add(1)).unwrap();
        both.push(t);
    }
    let mut happened = 0;
    for t in both {
        happened += usize::from(matches!(t.commit().await.unwrap(), Decision::Committed(_)));
    }
    assert_eq!((happened, taken.get().local()), (1, Ok(1)));
    change(&replica.objects, |t| {
        assert_eq!(pods.get(t, "a"), Ok(Some(Pod::new("a", Some("n1"), 1))));
        assert!(pods.find(t, "node", "n2", 1).unwrap().is_empty() && pods.find(t, "phase", [0], 1).unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn rows_can_be_read_as_they_were_and_their_changes_followed() {
    let replica = World::alone(3).await;
    let pods: Table<Pod> = replica.objects.table("pods").await.unwrap();
    let one = change(&replica.objects, |t| drop(pods.put(t, &Pod::new("a", None, 0)).unwrap())).await;
    let two = change(&replica.objects, |t| drop(pods.put(t, &Pod::new("a", Some("n1"), 1)).unwrap())).await;
    let three = change(&replica.objects, |t| drop(pods.remove(t, "a").unwrap())).await;
    assert_eq!(pods.get_at(one, "a"), Ok(Some(Pod::new("a", None, 0))));
    assert_eq!(pods.get_at(two, "a"), Ok(Some(Pod::new("a", Some("n1"), 1))));
    assert_eq!(pods.get_at(three, "a"), Ok(None));
    assert_eq!(pods.find_at(one, "phase", [0], 10), Ok(vec![Pod::new("a", None, 0)]));
    assert_eq!(pods.find_at(two, "phase", [0], 10), Ok(Vec::new()));
    assert_eq!(pods.find_at(two, "node", "n1", 10), Ok(vec![Pod::new("a", Some("n1"), 1)]));
    assert_eq!(pods.find_at(three, "node", "n1", 10), Ok(Vec::new()));
    let mut changes = pods.changes_after(one);
    let second = changes.next().await.unwrap();
    assert_eq!((second.version, second.row.unwrap()), (two, Ok(Pod::new("a", Some("n1"), 1))));
    let third = changes.next().await.unwrap();
    assert_eq!((third.version, &third.key[..], third.row), (three, &b"a"[..], None));
}

/// A pod as another program has it: no index finds it by its node.
#[derive(Clone, Debug, PartialEq)]
struct Unscheduled(Pod);

impl Row for Unscheduled {
    const INDEXES: &'static [&'static str] = &["phase"];

    fn key(&self) -> Bytes {
        self.0.key()
    }

    fn indexed(&self, index: &str) -> Option<Bytes> {
        self.0.indexed(index)
    }

    fn encode(&self) -> Bytes {
        self.0.encode()
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        Pod::decode(bytes).map(Unscheduled)
    }
}

#[tokio::test]
async fn an_index_that_is_added_later_finds_the_rows_that_were_there_before() {
    let replica = World::alone(6).await;
    let node_of = |n: usize| (!n.is_multiple_of(3)).then(|| format!("n{}", n % 3));
    let before: Table<Unscheduled> = replica.objects.table("pods").await.unwrap();
    // More than fit into one transaction of the filling.
    for page in 0..3 {
        change(&replica.objects, |t| {
            for n in page * 90..(page + 1) * 90 {
                before.put(t, &Unscheduled(Pod::new(&format!("p{n:03}"), node_of(n).as_deref(), 0))).unwrap();
            }
        })
        .await;
    }
    let pods: Table<Pod> = replica.objects.table("pods").await.unwrap();
    let mut t = replica.objects.begin().await.unwrap();
    for node in 1..3 {
        let expected: Vec<String> = (0..270).filter(|n| n % 3 == node).map(|n| format!("p{n:03}")).collect();
        assert_eq!(names(&pods.find(&mut t, "node", format!("n{node}"), 1_000).unwrap()), expected);
    }
    let before_it = pods.find_at(Version { at: naxos_proto::ids::Lsn(1), index: 0 }, "node", "n1", 1).unwrap_err();
    assert!(matches!(before_it, TableError::IndexLater { .. }), "{before_it}");
    // Left out for a while, and then there again: entries of rows that have changed meanwhile are gone.
    let without: Table<Unscheduled> = replica.objects.table("pods").await.unwrap();
    change(&replica.objects, |t| {
        without.put(t, &Unscheduled(Pod::new("p001", Some("n9"), 0))).unwrap();
        without.remove(t, "p004").unwrap();
    })
    .await;
    let again: Table<Pod> = replica.objects.table("pods").await.unwrap();
    let mut t = replica.objects.begin().await.unwrap();
    assert_eq!(names(&again.find(&mut t, "node", "n1", 2).unwrap()), ["p007", "p010"]);
    assert_eq!(names(&again.find(&mut t, "node", "n9", 2).unwrap()), ["p001"]);
}

#[tokio::test]
async fn an_index_is_filled_while_others_write() {
    let replica = World::alone(7).await;
    let before: Table<Unscheduled> = replica.objects.table("pods").await.unwrap();
    change(&replica.objects, |t| {
        for n in 0..100 {
            before.put(t, &Unscheduled(Pod::new(&format!("p{n:03}"), Some("n1"), 0))).unwrap();
        }
    })
    .await;
    // Two programs that have the index already: both fill it, and one of them writes meanwhile.
    let opened = async { replica.objects.table::<Pod>("pods").await.unwrap() };
    let writes = async {
        let pods: Table<Pod> = replica.objects.table("pods").await.unwrap();
        for n in 0..100 {
            change(&replica.objects, |t| {
                pods.put(t, &Pod::new(&format!("p{n:03}"), Some("n2"), 0)).unwrap();
            })
            .await;
        }
    };
    let (pods, ()) = tokio::join!(opened, writes);
    let mut t = replica.objects.begin().await.unwrap();
    assert_eq!(pods.find(&mut t, "node", "n1", 1_000).unwrap(), []);
    assert_eq!(pods.find(&mut t, "node", "n2", 1_000).unwrap().len(), 100);
}

#[tokio::test]
async fn a_put_that_fails_leaves_nothing_in_the_transaction() {
    let replica = World::alone(5).await;
    let pods: Table<Pod> = replica.objects.table("pods").await.unwrap();
    change(&replica.objects, |t| drop(pods.put(t, &Pod::new("a", Some("n1"), 1)).unwrap())).await;
    let (long, large) = ("x".repeat(2_000), "x".repeat(600_000));
    change(&replica.objects, |t| {
        // The first one fails at the second index entry, the second one at the row, after the index entries.
        let too_long = pods.put(t, &Pod::new("a", Some(&long), 2)).unwrap_err();
        assert!(too_long.to_string().contains("expected at most"), "{too_long}");
        assert!(pods.put(t, &Pod::new("a", Some(&large), 3)).is_err());
        pods.put(t, &Pod::new("b", None, 4)).unwrap();
    })
    .await;
    let mut t = replica.objects.begin().await.unwrap();
    assert_eq!(pods.find(&mut t, "node", "n1", 10).unwrap(), [Pod::new("a", Some("n1"), 1)]);
    assert_eq!(names(&pods.find(&mut t, "phase", [1], 10).unwrap()), ["a"]);
    assert_eq!(names(&pods.find(&mut t, "phase", [4], 10).unwrap()), ["b"]);
    assert!(pods.find(&mut t, "phase", [2], 10).unwrap().is_empty());
}

#[tokio::test]
async fn wrong_rows_and_keys_are_errors_that_say_what_was_expected() {
    let replica = World::alone(4).await;
    let pods: Table<Pod> = replica.objects.table("pods").await.unwrap();
    let mut t = replica.objects.begin().await.unwrap();
    let long = pods.put(&mut t, &Pod::new(&"x".repeat(2_000), None, 0)).unwrap_err();
    assert!(matches!(&long, TableError::Limit(_)) && long.to_string().contains("primary key"), "{long}");
    replica.objects.map("pods").await.unwrap().put("b", "nonsense").commit().await.unwrap();
    let wrong = pods.get(&mut replica.objects.begin().await.unwrap(), "b").unwrap_err().to_string();
    assert_eq!(wrong, r#"a row of the table "pods" cannot be read: expected three parts, found "nonsense""#);
    replica.objects.counter("other").await.unwrap();
    assert!(replica.objects.table::<Pod>("other").await.is_err_and(|e| e.to_string().contains("counter")));
}
