//! The log below a store, used by the program: on three nodes of which one is lost, over restarts, and trimmed.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use naxos::log::{AppendError, Log, Refusal, StreamError, StreamId, Unchanged};
use naxos::{Keys, Lsn, Naxos};
use naxos_proto::control::SetEngineRequest;
use naxos_proto::seams::{BootClock, Clock};
use support::{block_on, control, free_urls};

/// The entries of a stream from `from` on.
async fn play(log: &Log, stream: StreamId, from: Lsn) -> Vec<(Lsn, String)> {
    let mut reader = log.stream(stream, from);
    reader.sync().await.unwrap();
    let mut played = Vec::new();
    while let Some(entry) = reader.next().await.unwrap() {
        played.push((entry.position, String::from_utf8(entry.body.to_vec()).unwrap()));
    }
    played
}

/// Waits until appends succeed through all of these nodes. Right after a node was lost they may be refused.
async fn serves_again(nodes: &[Naxos]) {
    for node in nodes {
        let log = node.log().await.unwrap();
        for _ in 0..50 {
            if log.append("is anybody there?").await.is_ok() {
                break;
            }
            BootClock.sleep(Duration::from_millis(100)).await;
        }
    }
}

#[test]
fn streams_are_the_same_on_all_nodes_also_after_a_node_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let urls: [String; 3] = free_urls();
    block_on(async {
        let open = |own: usize| Naxos::open(dir.path().join(own.to_string())).peers(own, urls.clone()).into_future();
        let mut nodes: Vec<Naxos> = join_all((0..3).map(open)).await.into_iter().map(Result::unwrap).collect();
        let mut expected: BTreeMap<StreamId, Vec<(Lsn, String)>> = BTreeMap::new();
        let mut append = async |node: &Naxos, n: u64| {
            let (streams, text) = ([StreamId(n % 4), StreamId(7)], format!("entry {n}"));
            let position = node.log().await.unwrap().append_to(&streams, &text).await.unwrap();
            streams.iter().for_each(|id| expected.entry(*id).or_default().push((position, text.clone())));
            node.put(format!("key/{}", n % 5), text).await.unwrap();
        };
        for n in 0..30 {
            append(&nodes[n as usize % 3], n).await;
        }
        // The sequencer is on one of the nodes, and each of them is lost once.
        for lost in 0..3 {
            nodes.remove(lost).stop().await;
            serves_again(&nodes).await;
            for n in 0..10 {
                append(&nodes[n as usize % 2], 100 + lost as u64 * 10 + n).await;
            }
            nodes.insert(lost, open(lost).await.unwrap());
        }
        for node in &nodes {
            let log = node.log().await.unwrap();
            for (stream, entries) in &expected {
                assert_eq!(&play(&log, *stream, log.oldest()).await, entries, "stream {stream}");
            }
            assert_eq!(node.list(Keys::prefix("key/")).await.unwrap().len(), 5);
        }
        // Two nodes have seen the same entries, and each appends on the condition that nothing was added. The second
        // append is refused.
        let logs = join_all([0, 1].map(|n| nodes[n].log())).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
        let since = logs[0].stream(StreamId(3), Lsn(0)).sync().await.unwrap();
        let unchanged = Unchanged { stream: StreamId(3), since };
        logs[1].append_if(unchanged, &[StreamId(3)], "first").await.unwrap();
        let refused = logs[0].append_if(unchanged, &[StreamId(3)], "second").await.unwrap_err();
        assert_eq!(refused, AppendError::Refused(Refusal::StreamChanged(unchanged)));
        for node in nodes {
            node.stop().await;
        }
    });
}

#[test]
fn the_log_is_kept_for_the_program_until_the_program_trims_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    block_on(async {
        let stream = StreamId(1);
        let mut appended = Vec::new();
        for start in 0..3 {
            let store = Naxos::open(&folder).await.unwrap();
            let log = store.log().await.unwrap();
            let position = log.append_to(&[stream], format!("start {start}")).await.unwrap();
            appended.push((position, format!("start {start}")));
            // The store does not need the log below its last checkpoint. The stop makes one.
            for n in 0..50 {
                store.put(format!("key {n}"), vec![b'x'; 10_000]).await.unwrap();
            }
            assert_eq!(play(&log, stream, log.oldest()).await, appended);
            store.stop().await;
        }
        let store = Naxos::open(&folder).await.unwrap();
        let log = store.log().await.unwrap();
        assert!(log.oldest() <= appended[0].0);
        let (last, ahead) = (appended[2].0, log.tail().await.unwrap().plus(1_000));
        log.trim(last).await.unwrap();
        assert_eq!(log.oldest(), last);
        log.trim(appended[0].0).await.unwrap();
        assert_eq!(log.oldest(), last, "a trim is never undone");
        assert_eq!(play(&log, stream, last).await, appended[2..]);
        let mut behind = log.stream(stream, appended[0].0);
        behind.sync().await.unwrap();
        let gone = behind.next().await;
        let trimmed = StreamError::Trimmed { stream, next: appended[0].0, trimmed: last };
        assert_eq!(gone, Err(trimmed));
        // The units forget the entries when the store does not need them any more either. So write to the store, until a
        // checkpoint has everything below that point.
        for n in 0..100 {
            store.put(format!("key {}", n % 50), vec![b'y'; 100_000]).await.unwrap();
            BootClock.sleep(Duration::from_millis(30)).await;
        }
        assert_eq!(play(&log, stream, last).await, appended[2..], "what is kept is still there");
        // Nothing that is appended later is trimmed by a trim beyond the end.
        log.trim(ahead).await.unwrap();
        let position = log.append_to(&[stream], "later").await.unwrap();
        assert!(log.oldest() <= position && position < ahead);
        assert_eq!(play(&log, stream, position).await, [(position, "later".to_owned())]);
        // Nothing comes back when the log is not kept any more, and the next call keeps it from then on.
        store.release_log().await.unwrap();
        assert!(log.oldest() >= last, "{} is below {last}", log.oldest());
        let log = store.log().await.unwrap();
        let again = log.append_to(&[stream], "again").await.unwrap();
        assert!(log.oldest() <= again);
        assert_eq!(play(&log, stream, again).await, [(again, "again".to_owned())]);
        store.stop().await;
        let error = log.append("too late").await.unwrap_err();
        assert!(matches!(error, AppendError::Refused(_)), "{error}");
        assert!(log.tail().await.is_err());
    });
}

#[test]
fn while_no_view_is_kept_the_program_is_told_that_nothing_changes_how_far_the_log_is_kept() {
    block_on(async {
        let store = Naxos::memory().serve_etcd("127.0.0.1:0").await.unwrap();
        let address = store.etcd_addresses().await.unwrap().remove(0).to_string();
        let turn = async |on| {
            let request = SetEngineRequest { name: "view-tracking".to_owned(), on };
            control(&address).set_engine(request).await.unwrap();
        };
        let expected = "the engine view-tracking is off";
        turn(false).await;
        let kept = store.log().await.map(drop).unwrap_err().to_string();
        assert!(kept.contains(expected), "{kept}");
        turn(true).await;
        let log = store.log().await.unwrap();
        log.append("this is kept").await.unwrap();
        turn(false).await;
        let released = store.release_log().await.unwrap_err().to_string();
        assert!(released.contains(expected), "{released}");
        turn(true).await;
        store.release_log().await.unwrap();
        store.stop().await;
    });
}
