//! Calls that cannot be done, and rows that cannot be read.

use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::batching::Application;
use naxos_engines::objects::{KEY_BYTES_MAX, ObjectsApply, SubscriptionError, VALUE_BYTES_MAX};
use naxos_engines::{LocalStore, RowKey, TableId};
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::BootClock;
use naxos_proto::seams::sim::Drive;

use crate::replica::World;
use crate::types::refused;

#[tokio::test]
async fn an_object_opened_as_another_type_is_an_error_that_names_both() {
    let world = World::new();
    let one = world.start(1, 1, &Drive::new(1)).await;
    let two = world.start(2, 1, &Drive::new(2)).await;
    let map = one.objects.map("things").await.unwrap();
    let expected = "the object \"things\" is a map, expected a queue";
    assert_eq!(one.objects.queue("things").await.err().unwrap().to_string(), expected);
    // The other replica may not have applied the creation yet. Then the log decides.
    assert_eq!(two.objects.queue("things").await.err().unwrap().to_string(), expected);
    let same = two.objects.map("things").await.unwrap();
    assert_eq!(same.object().id(), map.object().id());
    assert_eq!((same.object().name(), same.object().object_type().to_string()), ("things", "map".to_owned()));
}

#[tokio::test]
async fn names_keys_and_values_have_bounds() {
    let replica = World::alone(3).await;
    let at = replica.stack.reader().applied();
    let told = async |name: &str| replica.objects.map(name).await.err().unwrap().to_string();
    assert_eq!(told("").await, "the name of an object is empty, expected 1 to 256 bytes");
    assert_eq!(told(&"n".repeat(257)).await, "the name of an object has 257 bytes, expected at most 256");
    assert_eq!(replica.stack.reader().applied(), at, "nothing was proposed");

    let map = replica.objects.map("map").await.unwrap();
    let at = replica.stack.reader().applied();
    let long = vec![0; KEY_BYTES_MAX + 1];
    assert_eq!(refused(map.put(long, "").commit().await), "the key has 1025 bytes, expected at most 1024");
    let large = vec![0; VALUE_BYTES_MAX + 1];
    assert_eq!(refused(map.put("", large).commit().await), "the value has 524289 bytes, expected at most 524288");
    assert_eq!(replica.stack.reader().applied(), at, "nothing was proposed");
    map.put(vec![0; KEY_BYTES_MAX], vec![1; VALUE_BYTES_MAX]).commit().await.unwrap();
    assert_eq!(map.get(vec![0; KEY_BYTES_MAX]).local().unwrap().unwrap().value.len(), VALUE_BYTES_MAX);

    let tree = replica.objects.tree("tree").await.unwrap();
    assert!(refused(tree.create("a", "").commit().await).contains("does not begin with a slash"));
}

#[tokio::test]
async fn calls_fail_when_the_objects_are_not_served_any_more() {
    let replica = World::alone(5).await;
    let counter = replica.objects.counter("counter").await.unwrap();
    counter.add(1).commit().await.unwrap();
    let mut changes = counter.object().changes();
    let waiting = tokio::spawn(async move { changes.next().await });
    tokio::task::yield_now().await;
    replica.stop.cancel();
    assert_eq!(waiting.await.unwrap(), Err(SubscriptionError::Stopped));
    let told = counter.add(1).commit().await.unwrap_err().to_string();
    let why = "serving the objects ended before the answer came";
    assert_eq!(told, format!("it is unknown whether the proposal was done: {why}"));
    assert_eq!(counter.get().local(), Ok(1), "what is applied can still be read");
    assert!(replica.objects.queue("queue").await.is_err());
}

#[tokio::test]
async fn rows_of_an_unknown_version_are_refused_in_words() {
    let mut store = LocalStore::open(Drive::new(4).mount(), Arc::new(BootClock)).await.unwrap();
    let mut txn = store.begin();
    txn.put(RowKey::new(StoreId(0), TableId(70), &[]), Bytes::from_static(&[9, 0]));
    txn.commit(Lsn(1));
    let error = ObjectsApply::open(&store.reader()).err().unwrap();
    assert_eq!(error.to_string(), "row of the kept history has version 9, this build reads version 1");
}

/// A newer build may have written the command. The node must not go on without applying it.
#[tokio::test]
#[should_panic(expected = "the command at 5.2 cannot be applied: command of the objects has version 2")]
async fn a_command_of_an_unknown_version_stops_the_node_in_words() {
    let mut store = LocalStore::open(Drive::new(6).mount(), Arc::new(BootClock)).await.unwrap();
    let (mut apply, _signal) = ObjectsApply::open(&store.reader()).unwrap();
    let mut txn = store.begin();
    apply.apply(&mut txn, Lsn(5), 2, Bytes::from_static(&[2, 1]));
}
