//! Changes of the chain that succeed although the process that makes them does not learn it, and changes that find few
//! storage units.

#[path = "support/networks.rs"]
mod networks;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_client::{LogError, LogletProvider, MemoryMetaStore, SharedLog, VirtualLog, VirtualLogParts};
use naxos_proto::chain::LogletKind;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, MetaError, MetaStore, PutOutcome, StorageUnit, Versioned};
use naxos_proto::corfu_params::CorfuParams;
use naxos_proto::ids::{ChainVersion, Lsn, Offset};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{SimClock, Weather};
use networks::rig_behind_networks;
use support::{Rig, simulate};
use tokio::sync::watch;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SimClock::new(Duration::ZERO))
}

fn append(log: &VirtualLog, text: &str) -> BoxFuture<'static, Result<Lsn, AppendError>> {
    let (done, outcome) = Completion::channel();
    log.append(vec![Cell::new(text.to_owned().into())], done);
    outcome
}

/// A register whose answer to the first change is lost.
#[derive(Default)]
struct Forgetful {
    register: MemoryMetaStore,
    has_answered: AtomicBool,
}

impl MetaStore for Forgetful {
    fn get(&self) -> BoxFuture<'_, Result<Versioned, MetaError>> {
        self.register.get()
    }

    fn put(&self, expected: ChainVersion, bytes: Bytes) -> BoxFuture<'_, Result<PutOutcome, MetaError>> {
        Box::pin(async move {
            let outcome = self.register.put(expected, bytes).await;
            match self.has_answered.swap(true, Ordering::Relaxed) {
                true => outcome,
                false => Err(MetaError::Unavailable("the answer is lost".to_owned())),
            }
        })
    }
}

#[test]
fn a_log_whose_founder_did_not_learn_that_it_founded_it_is_served_all_the_same() {
    for kind in [LogletKind::NATIVE, LogletKind::CORFU] {
        simulate(async {
            let rig = Rig::over(3, |unit| unit, |sequencer| sequencer).await;
            let mut parts = VirtualLogParts { meta: Arc::new(Forgetful::default()), ..rig.parts() };
            parts.config.kind = kind;
            assert!(VirtualLog::found(parts.clone()).await.is_err(), "the founder does not learn of the founding");
            let log = VirtualLog::join(parts).await.expect("the chain is there");
            assert_eq!(append(&log, "a").await, Ok(Lsn(0)), "its sequencer gives out offsets");
            assert_eq!(log.chain().1.segments.len(), 1, "no change was needed");
            rig.stop().await;
        });
    }
}

async fn is_readable(log: &VirtualLog, at: u64) -> Result<(), LogError> {
    log.read(Lsn(at), Lsn(at + 1), 1).await.map(drop)
}

#[test]
fn cluster_20_what_one_unit_holds_at_a_seal_gets_another_copy_before_it_counts() {
    simulate(async {
        let (mut rig, networks) = rig_behind_networks(3).await;
        let [first, second, third] = [&networks[0], &networks[1], &networks[2]];
        rig.alive.units_min = 2;
        rig.alive.silent = vec![third.storage_id()];
        let alive = watch::Sender::new(rig.alive.clone());
        let mut parts = VirtualLogParts { alive: alive.subscribe(), ..rig.parts() };
        parts.config.kind = LogletKind::CORFU;
        let log = VirtualLog::start(parts).await.unwrap();
        assert_eq!(append(&log, "a").await, Ok(Lsn(0)));
        let lost = Weather { lost: 1_000, ..Weather::default() };
        second.set_weather(lost);
        let in_flight = append(&log, "b");
        clock().sleep(Duration::from_millis(10)).await;

        // The second unit never got "b", and it does not answer the seal. So only the first one has "b".
        alive.send_modify(|alive| alive.silent = vec![second.storage_id()]);
        log.reconfigure(None).await.unwrap();
        assert_eq!(in_flight.await, Ok(Lsn(1)), "it lies below the end");
        let ended = CorfuParams::decode(&log.chain().1.segments[0].params).unwrap();
        let named: Vec<_> = [first, second, third].map(|unit| unit.storage_id()).into();
        assert_eq!(ended.units, named, "the third unit has a copy");

        first.set_weather(lost);
        assert_eq!(is_readable(&log, 1).await, Ok(()), "one lost unit loses nothing");
        assert!(is_readable(&log, 0).await.is_err(), "the other copy of it is on the second unit");
        second.set_weather(Weather::default());
        assert_eq!(is_readable(&log, 0).await, Ok(()));
        assert!(log.replicate().await.is_err(), "the first unit does not answer, but the third one gets the rest");
        second.set_weather(lost);
        assert_eq!(is_readable(&log, 0).await, Ok(()));
        rig.stop().await;
    });
}

#[test]
fn cluster_20_a_change_without_enough_copies_waits() {
    simulate(async {
        let (mut rig, networks) = rig_behind_networks(2).await;
        rig.alive.units_min = 2;
        let mut parts = rig.parts();
        parts.config.kind = LogletKind::CORFU;
        let log = VirtualLog::start(parts).await.unwrap();
        networks[1].set_weather(Weather { lost: 1_000, ..Weather::default() });
        let in_flight = append(&log, "a");
        clock().sleep(Duration::from_millis(10)).await;
        let params = log.chain().1.active().params.clone();
        let loglet = rig.corfu.open(&params).unwrap();
        let end = loglet.seal().await.unwrap();
        assert_eq!(end, Offset(1), "the first unit has the cell");
        assert!(loglet.secure_end(end, &rig.alive).await.is_err(), "there is no second copy");
        networks[1].set_weather(Weather::default());
        assert_eq!(loglet.secure_end(end, &rig.alive).await, Ok(params.clone()), "no other unit is named");
        networks[0].set_weather(Weather { lost: 1_000, ..Weather::default() });
        let tail = networks[1].tail(params.id).await.unwrap();
        assert!(tail.sealed && tail.tail == end, "the second unit has the copy, and takes no append: {tail:?}");
        networks[0].set_weather(Weather::default());
        log.reconfigure(None).await.unwrap();
        assert_eq!(in_flight.await, Ok(Lsn(0)));
        rig.stop().await;
    });
}
