//! Which tails a storage unit tells, and how often.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::StorageUnit;
use naxos_proto::ids::Offset;
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{Drive, Latency, SimClock};
use support::{id, open, params, payload, request, simulate};
use tokio::time::Instant;

const SYNC: Duration = Duration::from_millis(1);

async fn sleep(by: Duration) {
    SimClock::new(Duration::ZERO).sleep(by).await;
}

#[test]
fn a_tail_is_told_as_soon_as_it_is_durable_and_not_before() {
    simulate(async {
        let drive = Drive::new(1);
        let server = open(&drive).await.unwrap();
        let unit = server.unit();
        unit.open(id(1), params()).await.unwrap();
        let mut tails = unit.tell_tails(id(1));
        assert_eq!(tails.next().await.unwrap().unwrap().tail, Offset(0));
        drive.set_latency(Latency { sync: SYNC * 50, ..Latency::default() });
        for n in 0..3 {
            let (done, stored) = Completion::channel();
            unit.store(request(id(1), n, &[payload(n, 10)], 0), done);
            sleep(SYNC * 49).await;
            assert!(tails.next().now_or_never().is_none(), "cell {n} is not synced");
            stored.await.unwrap();
            assert_eq!(tails.next().await.unwrap().unwrap().tail, Offset(n + 1));
        }
        drive.set_latency(Latency { sync: SYNC, ..Latency::default() });
        for n in 3..9 {
            let (done, stored) = Completion::channel();
            unit.store(request(id(1), n, &[payload(n, 10)], 0), done);
            stored.await.unwrap();
            let synced = Instant::now();
            assert_eq!(tails.next().await.unwrap().unwrap().tail, Offset(n + 1));
            assert_eq!(synced.elapsed(), Duration::ZERO, "there is little to do");
        }
        server.shutdown().await.unwrap();
    });
}

#[test]
fn under_load_a_tail_is_told_every_few_milliseconds_and_not_at_each_sync() {
    simulate(async {
        let drive = Drive::new(1);
        let server = open(&drive).await.unwrap();
        let unit = server.unit().clone();
        unit.open(id(1), params()).await.unwrap();
        drive.set_latency(Latency { sync: SYNC, ..Latency::default() });
        let (began, told, silence) = (Instant::now(), Rc::new(Cell::new(0)), Rc::new(Cell::new(Duration::ZERO)));
        let listening = tokio::task::spawn_local({
            let (mut tails, told, silence) = (unit.tell_tails(id(1)), Rc::clone(&told), Rc::clone(&silence));
            async move {
                let mut last = Instant::now();
                while let Some(Ok(_)) = tails.next().await {
                    told.set(told.get() + 1);
                    silence.set(silence.get().max(last.elapsed()));
                    last = Instant::now();
                }
            }
        });
        let mut stores = Vec::new();
        while began.elapsed() < SYNC * 200 {
            // Many stores come while one sync is under way.
            for _ in 0..8 {
                let (done, stored) = Completion::channel();
                let n = stores.len() as u64;
                unit.store(request(id(1), n, &[payload(n, 10)], 0), done);
                stores.push(stored);
            }
            sleep(SYNC).await;
        }
        listening.abort();
        let told = told.get();
        assert!((30..=45).contains(&told), "{told} tails in 200 ms, with a sync each millisecond");
        assert!(silence.get() <= SYNC * 8, "{:?}", silence.get());
        futures::future::join_all(stores).await;
        server.shutdown().await.unwrap();
    });
}
