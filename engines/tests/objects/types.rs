//! What each type of object does.

use bytes::Bytes;
use naxos_engines::objects::{Refused, UpdateError, Version};
use naxos_proto::splitmix::SplitMix64;

use crate::replica::World;

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// The refusal in an error.
pub fn refused<T: std::fmt::Debug>(result: Result<T, UpdateError>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn a_register_has_the_last_value() {
    let replica = World::alone(1).await;
    let register = replica.objects.register("motd").await.unwrap();
    assert_eq!(register.get().local(), Ok(None));
    register.set("hello").commit().await.unwrap();
    assert_eq!(register.get().linearizable().await, Ok(Some(bytes("hello"))));
    register.clear().commit().await.unwrap();
    assert_eq!(register.get().local(), Ok(None));
}

#[tokio::test]
async fn a_map_knows_the_version_of_each_key() {
    let replica = World::alone(2).await;
    let map = replica.objects.map("settings").await.unwrap();
    let a = map.put("a", "1").commit().await.unwrap().version;
    let b = map.put("b", "2").commit().await.unwrap().version;
    assert!(a < b);
    let found = map.get("a").local().unwrap().unwrap();
    assert_eq!((found.value, found.version), (bytes("1"), a));
    let entries = map.entries("", 10).local().unwrap();
    assert_eq!(entries.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [bytes("a"), bytes("b")]);
    assert_eq!(map.entries("b", 10).local().unwrap().len(), 1);
    assert_eq!(map.entries("", 1).local().unwrap().len(), 1);
    assert_eq!(map.len().local(), Ok(2));

    let newer = map.put_if("a", "3", a).commit().await.unwrap().version;
    let told = refused(map.put_if("a", "4", a).commit().await);
    assert_eq!(
        told,
        format!("aborted because of \"settings\", key b\"a\": read at version {a}, found version {newer}")
    );
    map.put_if("c", "5", Version::ZERO).commit().await.unwrap();
    assert!(map.put_if("c", "6", Version::ZERO).commit().await.is_err(), "it is there already");
    assert!(map.remove_if("a", a).commit().await.is_err());
    assert!(map.remove_if("a", newer).commit().await.unwrap().output);
    assert!(!map.remove("a").commit().await.unwrap().output);
    assert_eq!(map.len().linearizable().await, Ok(2));
}

#[tokio::test]
async fn a_counter_adds_and_does_not_overflow() {
    let replica = World::alone(3).await;
    let counter = replica.objects.counter("hits").await.unwrap();
    assert_eq!(counter.get().local(), Ok(0));
    let added = futures::future::join_all((0..100).map(|_| counter.add(2).commit())).await;
    let mut sums: Vec<_> = added.into_iter().map(|done| done.unwrap().output).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=100).map(|n| 2 * n).collect::<Vec<_>>());
    let told = refused(counter.add(i64::MAX).commit().await);
    assert!(told.ends_with("the counter is at 200, and 9223372036854775807 more is beyond a signed number of 64 bits"));
    assert_eq!(counter.add(-300).commit().await.unwrap().output, -100);
}

#[tokio::test]
async fn a_set_has_each_member_once() {
    let replica = World::alone(4).await;
    let set = replica.objects.set("nodes").await.unwrap();
    assert!(set.add("b").commit().await.unwrap().output);
    assert!(!set.add("b").commit().await.unwrap().output);
    assert!(set.add("a").commit().await.unwrap().output);
    assert_eq!(set.members("", 10).local(), Ok(vec![bytes("a"), bytes("b")]));
    assert_eq!((set.contains("a").local(), set.contains("c").local()), (Ok(true), Ok(false)));
    assert!(set.remove("a").commit().await.unwrap().output);
    assert!(!set.remove("a").commit().await.unwrap().output);
    assert_eq!(set.len().local(), Ok(1));
}

#[tokio::test]
async fn a_queue_gives_each_element_to_one_caller_in_order() {
    let replica = World::alone(5).await;
    let queue = replica.objects.queue("jobs").await.unwrap();
    assert_eq!(queue.pop().commit().await.unwrap().output, None);
    for job in ["a", "b", "c"] {
        queue.push(job).commit().await.unwrap();
    }
    assert_eq!((queue.peek().local(), queue.len().local()), (Ok(Some(bytes("a"))), Ok(3)));
    let popped = futures::future::join_all((0..4).map(|_| queue.pop().commit())).await;
    let popped: Vec<_> = popped.into_iter().filter_map(|done| done.unwrap().output).collect();
    assert_eq!(popped, [bytes("a"), bytes("b"), bytes("c")]);
    assert_eq!((queue.peek().local(), queue.len().local()), (Ok(None), Ok(0)));
}

#[tokio::test]
async fn a_tree_has_parents_above_children() {
    let replica = World::alone(6).await;
    let tree = replica.objects.tree("config").await.unwrap();
    let told = refused(tree.create("/a/b", "1").commit().await);
    assert!(told.ends_with("the path \"/a/b\" has no parent, expected that \"/a\" was created before"), "{told}");
    for (path, value) in [("/a", "0"), ("/a/b", "1"), ("/a/c", "2"), ("/ab", "3"), ("/a/b/d", "4")] {
        tree.create(path, value).commit().await.unwrap();
    }
    assert!(refused(tree.create("/a", "9").commit().await).ends_with("the path \"/a\" exists already"));
    assert_eq!(tree.get("/a/b").local(), Ok(Some(bytes("1"))));
    assert_eq!(tree.children("/").local().unwrap(), ["a", "ab"]);
    assert_eq!(tree.children("/a").local().unwrap(), ["b", "c"]);
    assert!(tree.children("/x").local().unwrap().is_empty());
    tree.assign("/a/b", "5").commit().await.unwrap();
    assert!(refused(tree.assign("/x", "5").commit().await).ends_with("the path \"/x\" does not exist"));
    assert!(refused(tree.delete("/a/b").commit().await).contains("has children"));
    tree.delete("/a/b/d").commit().await.unwrap();
    tree.delete("/a/b").commit().await.unwrap();
    assert!(refused(tree.delete("/a/b").commit().await).contains("does not exist"));
    assert_eq!((tree.get("/a/b").local(), tree.children("/a").local().unwrap()), (Ok(None), vec!["c".to_owned()]));
}

#[tokio::test]
async fn an_index_is_read_by_ranges_in_order() {
    let replica = World::alone(7).await;
    let index = replica.objects.index("by-age").await.unwrap();
    let keys: Vec<_> = (0..600_u32).map(|n| format!("{n:04}")).collect();
    // Written backwards, and more than one page of a scan.
    let written = keys.iter().rev().map(|key| index.put(key.clone(), key.clone()).commit());
    assert!(futures::future::join_all(written).await.into_iter().all(|done| done.is_ok()));
    let names = |found: Vec<(Bytes, Bytes)>| -> Vec<String> {
        found.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect()
    };
    assert_eq!(names(index.range("", None, 1_000).local().unwrap()), keys);
    assert_eq!(names(index.range("0010", Some(bytes("0013")), 1_000).local().unwrap()), keys[10..13]);
    assert_eq!(names(index.range("0010", None, 2).local().unwrap()), keys[10..12]);
    assert_eq!(names(index.beginning_with("05", 1_000).local().unwrap()), keys[500..600]);
    assert!(index.range("5", Some(bytes("4")), 10).local().unwrap().is_empty());
    assert!(index.remove("0011").commit().await.unwrap().output);
    assert_eq!(names(index.range("0010", None, 2).local().unwrap()), ["0010", "0012"]);
    assert_eq!((index.get("0011").local(), index.len().local()), (Ok(None), Ok(599)));
}

/// Insertions at few places, so that the list has to give its elements new places.
#[tokio::test]
async fn a_list_keeps_its_order_wherever_elements_are_inserted() {
    for seed in 1..=4 {
        let replica = World::alone(seed).await;
        let list = replica.objects.list("steps").await.unwrap();
        let mut model: Vec<Bytes> = Vec::new();
        let mut random = SplitMix64::new(seed);
        for n in 0..600_u32 {
            let value = Bytes::from(n.to_string());
            let len = model.len() as u64;
            // Seed 1 inserts before the last element, seed 2 at the front, the others anywhere.
            let place = match seed {
                1 => len.saturating_sub(1),
                2 => 0,
                _ => random.below(len + 1),
            };
            let at = usize::try_from(place).unwrap();
            match random.below(if seed > 2 { 8 } else { 1 }) {
                5 => {
                    list.push(value.clone()).commit().await.unwrap();
                    model.push(value);
                }
                6 if place < len => {
                    assert_eq!(list.take(place).commit().await.unwrap().output, model.remove(at));
                }
                7 if place < len => {
                    list.replace(place, value.clone()).commit().await.unwrap();
                    model[at] = value;
                }
                _ => {
                    list.insert(place, value.clone()).commit().await.unwrap();
                    model.insert(at, value);
                }
            }
        }
        assert_eq!(list.items(0, 10_000).local().unwrap(), model, "seed {seed}");
        assert_eq!(list.len().local(), Ok(model.len() as u64));
        assert_eq!(list.get(5).local(), Ok(Some(model[5].clone())));
        assert_eq!(list.items(model.len() as u64 - 2, 10).local().unwrap(), model[model.len() - 2..]);
        let index = model.len() as u64;
        let out = Refused::OutOfList { index, len: index }.to_string();
        assert!(refused(list.take(index).commit().await).ends_with(&out));
        assert!(refused(list.replace(index, "").commit().await).ends_with(&out));
        assert!(refused(list.insert(index + 1, "").commit().await).contains("there is no place"));
        assert_eq!(list.get(index).local(), Ok(None));
    }
}
