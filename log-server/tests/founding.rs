//! Seats of a new cluster that agree on their log, in one process, on simulated disks.

mod support;

#[path = "support/founding_net.rs"]
mod founding_net;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use founding_net::FoundingNet;
use naxos_log_server::founding::{Found, FoundingConfig, FoundingSeat};
use naxos_log_server::{LogServer, LogServerConfig, OpenError};
use naxos_proto::contracts::{
    Ballot, Founder, Founding, FoundingAnswer, FoundingReply, FoundingRequest, FoundingStep, FoundingValue,
};
use naxos_proto::ids::{ClusterId, LogId, MemberId, StorageId};
use naxos_proto::seams::sim::{Drive, Fault, SeededEntropy, SimClock, Weather};
use naxos_proto::seams::{Clock, Entropy};
use parking_lot::Mutex;
use support::{sim_seams, simulate, small};
use tokio_util::sync::CancellationToken;

const CLUSTER: ClusterId = ClusterId(0xc1);
/// A seat of the cluster that only asks.
const ASKER: Founder = Founder { seat: MemberId(1), storage: StorageId(0x11) };

fn config(seat: u64, seats: u64) -> FoundingConfig {
    FoundingConfig::new(CLUSTER, MemberId(seat), (1..=seats).map(MemberId).collect())
}

async fn open(drive: &Drive, config: FoundingConfig) -> Result<Arc<FoundingSeat>, OpenError> {
    // Two starts of one seat must not draw the same numbers.
    let seams = sim_seams(drive, 1_000 * config.seat.0 + drive.syncs());
    FoundingSeat::open(&seams, config, CancellationToken::new()).await.map(Arc::new)
}

fn net(seed: u64) -> FoundingNet {
    FoundingNet::new(Arc::new(SeededEntropy::new(seed)))
}

/// Opens the seat and lets it found the cluster.
async fn found(drive: &Drive, seat: u64, seats: u64, net: &FoundingNet) -> (Arc<FoundingSeat>, Found) {
    let opened = open(drive, config(seat, seats)).await.unwrap();
    net.set(MemberId(seat), Some(opened.clone()));
    let found = opened.found(net).await.unwrap();
    (opened, found)
}

async fn sleep(by: Duration) {
    SimClock::new(Duration::ZERO).sleep(by).await;
}

fn founded(found: &Found, seats: &[u64]) -> LogId {
    let Found::Founder { log, founders } = found else { panic!("expected a founder, found {found:?}") };
    let have: Vec<u64> = founders.iter().map(|founder| founder.seat.0).collect();
    assert_eq!(have, seats);
    *log
}

#[test]
fn three_seats_that_start_together_are_all_founders_and_format_their_directories() {
    let drives: Vec<_> = (1..=3).map(Drive::new).collect();
    simulate(async {
        let net = net(1);
        let (one, two, three) =
            tokio::join!(found(&drives[0], 1, 3, &net), found(&drives[1], 2, 3, &net), found(&drives[2], 3, 3, &net));
        let log = founded(&one.1, &[1, 2, 3]);
        assert_eq!(one.1, two.1);
        assert_eq!(one.1, three.1);
        for (drive, (seat, found)) in drives.iter().zip([one, two, three]) {
            // The ids come from the decision, whatever the settings say.
            let settings = LogServerConfig { log: Some(LogId(4)), member: Some(MemberId(4)), ..small() };
            let server = LogServer::open(sim_seams(drive, 7), settings, CancellationToken::new()).await.unwrap();
            assert_eq!((server.log(), server.storage_id()), (log, seat.storage_id()));
            server.shutdown().await.unwrap();
            let format = String::from_utf8(drive.content("format").unwrap()).unwrap();
            assert!(format.contains(&format!("\"member_id\": \"{:016x}\"", seat_of(&found, seat.storage_id()).0)));
            // A later start of the seat asks nobody.
            let again = open(drive, config(seat_of(&found, seat.storage_id()).0, 3)).await.unwrap();
            assert_eq!(again.found(&net_of_nobody()).await.unwrap(), found);
        }
    });
}

fn seat_of(found: &Found, storage: StorageId) -> MemberId {
    found.founders().iter().find(|founder| founder.storage == storage).unwrap().seat
}

fn net_of_nobody() -> FoundingNet {
    net(99)
}

#[test]
fn a_single_seat_founds_alone_and_a_single_node_writes_no_record() {
    let (seat, node) = (Drive::new(1), Drive::new(2));
    simulate(async {
        let (_, found) = found(&seat, 1, 1, &net(1)).await;
        founded(&found, &[1]);
        LogServer::open(sim_seams(&node, 1), small(), CancellationToken::new())
            .await
            .unwrap()
            .shutdown()
            .await
            .unwrap();
    });
    assert!(seat.content("founding").is_some());
    assert!(node.paths().iter().all(|path| !path.contains("founding")), "{:?}", node.paths());
}

#[test]
fn a_seat_that_is_away_is_waited_for_and_then_learns_the_decision() {
    let drives: Vec<_> = (1..=3).map(Drive::new).collect();
    simulate(async {
        let net = net(1);
        let clock = SimClock::new(Duration::ZERO);
        let (one, two) = tokio::join!(found(&drives[0], 1, 3, &net), found(&drives[1], 2, 3, &net));
        assert!(clock.now().0 >= config(1, 3).wait_for_all.as_nanos() as u64, "{:?}", clock.now());
        let log = founded(&one.1, &[1, 2]);
        assert_eq!(one.1, two.1);
        // One of the founders ends; the other holds data by now.
        let server = LogServer::open(sim_seams(&drives[0], 1), small(), CancellationToken::new()).await.unwrap();
        net.set(MemberId(2), None);
        let (_, three) = found(&drives[2], 3, 3, &net).await;
        let Found::Exists { log: joined, founders } = &three else { panic!("{three:?}") };
        assert_eq!((*joined, founders.as_slice()), (log, one.1.founders()));
        server.shutdown().await.unwrap();
        // What it learned is durable: it needs no other seat any more.
        drives[2].crash();
        let again = open(&drives[2], config(3, 3)).await.unwrap();
        assert_eq!(again.found(&net_of_nobody()).await.unwrap(), three);
    });
}

/// Asks the seat 3 of 3 as the seat 1.
async fn ask(seat: &FoundingSeat, step: FoundingStep) -> FoundingReply {
    let request = FoundingRequest { cluster: CLUSTER, from: ASKER, to: MemberId(3), step };
    seat.ask(request).await.unwrap().reply
}

fn ballot(round: u64) -> Ballot {
    Ballot { round, seat: ASKER.seat, storage: ASKER.storage }
}

/// A value that the seat 3 with this data directory can accept.
fn value(storage: StorageId) -> FoundingValue {
    FoundingValue { log: LogId(7), founders: vec![ASKER, Founder { seat: MemberId(3), storage }] }
}

#[test]
fn promises_accepted_values_and_decisions_outlive_a_power_cut() {
    for seed in 0..20 {
        let drive = Drive::new(seed);
        simulate(async {
            let seat = open(&drive, config(3, 3)).await.unwrap();
            let promised = FoundingReply::Promised { ballot: ballot(5), accepted: None };
            assert_eq!(ask(&seat, FoundingStep::Promise { ballot: ballot(5) }).await, promised);
            drive.crash();

            let seat = open(&drive, config(3, 3)).await.unwrap();
            let storage = seat.storage_id();
            let outbid = FoundingReply::Outbid { promised: ballot(5) };
            assert_eq!(ask(&seat, FoundingStep::Promise { ballot: ballot(4) }).await, outbid);
            let accept = FoundingStep::Accept { ballot: ballot(5), storage, value: value(storage) };
            assert_eq!(ask(&seat, accept).await, FoundingReply::Accepted { ballot: ballot(5) });
            drive.crash();

            let seat = open(&drive, config(3, 3)).await.unwrap();
            let accepted = Some((ballot(5), value(storage)));
            let promised = FoundingReply::Promised { ballot: ballot(6), accepted };
            assert_eq!(ask(&seat, FoundingStep::Promise { ballot: ballot(6) }).await, promised);
            let founded = FoundingReply::Founded(value(storage));
            assert_eq!(ask(&seat, FoundingStep::Learn { value: value(storage) }).await, founded);
            drive.crash();

            let seat = open(&drive, config(3, 3)).await.unwrap();
            assert_eq!(ask(&seat, FoundingStep::Promise { ballot: ballot(9) }).await, founded);
            assert_eq!(seat.decided().map(|found| found.log()), Some(LogId(7)));
        });
    }
}

#[test]
fn a_seat_that_cannot_write_its_record_answers_no_more() {
    let drive = Drive::new(1);
    simulate(async {
        let seat = open(&drive, config(3, 3)).await.unwrap();
        drive.set_fault(Fault::Sync { path: "founding".to_owned(), from: 1 });
        for _ in 0..2 {
            let step = FoundingStep::Promise { ballot: ballot(1) };
            let request = FoundingRequest { cluster: CLUSTER, from: ASKER, to: MemberId(3), step };
            let refused = seat.ask(request).await.unwrap_err().to_string();
            assert!(refused.contains("cannot write its record"), "{refused}");
        }
        let refused = seat.found(&net(1)).await.unwrap_err().to_string();
        assert!(refused.contains("cannot be recorded in the data directory"), "{refused}");
    });
}

#[test]
fn a_seat_with_data_vetoes_a_founding_and_the_others_join_its_log() {
    let drives: Vec<_> = (1..=3).map(Drive::new).collect();
    simulate(async {
        let settings = LogServerConfig { member: Some(MemberId(3)), ..small() };
        let server = LogServer::open(sim_seams(&drives[2], 1), settings, CancellationToken::new()).await.unwrap();
        let founder = Founder { seat: MemberId(3), storage: server.storage_id() };
        server.shutdown().await.unwrap();
        let net = net(1);
        let (log, founders) = (small().log.unwrap(), vec![founder]);
        let exists = Found::Exists { log, founders: founders.clone() };
        let holder = Found::Founder { log, founders };
        let (one, two, three) =
            tokio::join!(found(&drives[0], 1, 3, &net), found(&drives[1], 2, 3, &net), found(&drives[2], 3, 3, &net));
        assert_eq!([one.1, two.1, three.1], [exists.clone(), exists, holder]);
    });
}

#[test]
fn a_seat_of_another_cluster_and_a_seat_that_is_not_listed_found_nothing() {
    let drives: Vec<_> = (1..=4).map(Drive::new).collect();
    simulate(async {
        let net = net(1);
        let other = FoundingConfig { cluster: ClusterId(0xbad), ..config(2, 3) };
        let stranger = FoundingConfig::new(CLUSTER, MemberId(4), (1..=4).map(MemberId).collect());
        let mut seats = Vec::new();
        for (drive, config) in drives.iter().zip([config(1, 3), other, stranger]) {
            let id = config.seat;
            let seat = open(drive, config).await.unwrap();
            net.set(id, Some(seat.clone()));
            seats.push(seat);
        }
        let refusal = |answer: FoundingAnswer| match answer.reply {
            FoundingReply::Refused(refusal) => refusal.to_string(),
            other => panic!("{other:?}"),
        };
        let ask = |cluster, from: &FoundingSeat, id| {
            let from = Founder { seat: MemberId(id), storage: from.storage_id() };
            let step = FoundingStep::Promise { ballot: Ballot { round: 1, seat: from.seat, storage: from.storage } };
            seats[0].ask(FoundingRequest { cluster, from, to: MemberId(1), step })
        };
        let text = refusal(ask(ClusterId(0xbad), &seats[1], 2).await.unwrap());
        assert!(text.contains("cluster 0000000000000bad") && text.contains("cluster 00000000000000c1"), "{text}");
        let text = refusal(ask(CLUSTER, &seats[2], 4).await.unwrap());
        assert!(text.contains("seat 0000000000000004 is not in the member list"), "{text}");
        tokio::select! {
            biased;
            found = seats[0].found(&net) => panic!("{found:?}"),
            found = seats[1].found(&net) => panic!("{found:?}"),
            found = seats[2].found(&net) => panic!("{found:?}"),
            () = sleep(Duration::from_secs(60)) => {}
        }
        assert!(net.told().is_empty());
    });
}

#[test]
fn a_directory_in_a_founding_is_refused_to_others_with_the_reason() {
    let drive = Drive::new(1);
    simulate(async {
        let seat = open(&drive, config(3, 3)).await.unwrap();
        let second = open(&drive, config(3, 3)).await.err().unwrap();
        assert!(matches!(second, OpenError::Locked { .. }), "{second}");
        seat.shutdown().await.unwrap();
        let undecided = support::open(&drive).await.err().unwrap().to_string();
        assert!(undecided.contains("founding of cluster 00000000000000c1, which is not decided"), "{undecided}");
        let other = FoundingConfig { cluster: ClusterId(0xbad), ..config(3, 3) };
        let refused = open(&drive, other).await.err().unwrap().to_string();
        assert!(refused.contains("00000000000000c1") && refused.contains("0000000000000bad"), "{refused}");
        let unlisted = FoundingConfig { seat: MemberId(9), ..config(3, 3) };
        let refused = open(&drive, unlisted).await.err().unwrap().to_string();
        assert!(refused.contains("with that of this seat among them"), "{refused}");
    });
}

#[test]
fn a_damaged_record_is_refused_in_words_and_stays_as_it_is() {
    for is_cut in [false, true] {
        let drive = Drive::new(1);
        simulate(async { open(&drive, config(3, 3)).await.unwrap().shutdown().await.unwrap() });
        drive.damage("founding", |content| if is_cut { content.clear() } else { content[20] ^= 1 });
        let before = drive.content("founding");
        simulate(async {
            for refused in [open(&drive, config(3, 3)).await.err(), support::open(&drive).await.err()] {
                let text = refused.unwrap().to_string();
                assert!(text.contains("the file \"founding\" of the data directory is damaged: expected"), "{text}");
            }
        });
        assert_eq!(drive.content("founding"), before);
    }
}

#[test]
fn a_record_that_contradicts_the_format_is_refused() {
    let (founded, other) = (Drive::new(1), Drive::new(2));
    simulate(async {
        found(&founded, 1, 1, &net(1)).await;
        support::open(&founded).await.unwrap().shutdown().await.unwrap();
        support::open(&other).await.unwrap().shutdown().await.unwrap();
    });
    let format = other.content("format").unwrap();
    founded.damage("format", |content| *content = format);
    let refused = simulate(async { open(&founded, config(1, 1)).await.err().unwrap().to_string() });
    assert!(refused.contains("expected the ids of the file \"format\""), "{refused}");
}

/// Seats that crash, behind a network that loses messages.
struct World {
    drives: Vec<Drive>,
    net: FoundingNet,
    dice: Arc<SeededEntropy>,
    /// What each seat came to know in its present life.
    ends: Mutex<BTreeMap<MemberId, Found>>,
    /// What the seats came to know in all their lives.
    all_ends: Mutex<Vec<Found>>,
}

/// From this time on, no message is lost. A seat that is started after this time does not crash.
const CALM_AFTER: Duration = Duration::from_secs(25);
/// All seats have to know the decision then.
const END_AFTER: Duration = Duration::from_secs(150);

impl World {
    fn new(seats: u64, seed: u64) -> Arc<Self> {
        let dice = Arc::new(SeededEntropy::new(seed));
        Arc::new(World {
            drives: (1..=seats).map(|seat| Drive::new(seed * 100 + seat)).collect(),
            net: FoundingNet::new(dice.clone()),
            dice,
            ends: Mutex::default(),
            all_ends: Mutex::default(),
        })
    }

    fn below(&self, bound: u64) -> u64 {
        self.dice.u64() % bound
    }

    /// Starts the seat again and again, until the world ends.
    async fn live(&self, id: u64, clock: &SimClock) {
        let (seats, drive) = (self.drives.len() as u64, &self.drives[id as usize - 1]);
        sleep(Duration::from_millis(self.below(3_000))).await;
        loop {
            let (life, stop) = (drive.life(), CancellationToken::new());
            let is_calm = clock.now().0 >= CALM_AFTER.as_nanos() as u64;
            if !is_calm && self.below(2) == 0 {
                drive.freeze_at_sync(1 + self.below(10));
            }
            let lifetime = Duration::from_millis(if is_calm { 1_000_000 } else { self.below(8_000) });
            let settings = config(id, seats);
            let seams = sim_seams(drive, self.dice.u64());
            let body = async {
                let seat = FoundingSeat::open(&seams, settings, stop.clone()).await.map(Arc::new).unwrap();
                self.net.set(MemberId(id), Some(seat.clone()));
                let found = seat.found(&self.net).await.unwrap();
                self.all_ends.lock().push(found.clone());
                self.ends.lock().insert(MemberId(id), found);
                std::future::pending::<()>().await;
            };
            let frozen = async {
                while drive.life() == life {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::select! {
                biased;
                () = frozen => {}
                () = sleep(lifetime) => drive.crash(),
                () = body => {}
            }
            self.net.set(MemberId(id), None);
            self.ends.lock().remove(&MemberId(id));
            stop.cancel();
            sleep(Duration::from_millis(self.below(2_000))).await;
        }
    }

    async fn run(self: &Arc<Self>) {
        let clock = SimClock::new(Duration::ZERO);
        let seats = self.drives.len() as u64;
        let delay_max = Duration::from_millis(300);
        let storm = Weather { lost: 100, unanswered: 100, repeated: 200, delay_max, ..Weather::default() };
        self.net.set_weather(storm);
        let calm = async {
            sleep(CALM_AFTER).await;
            self.net.set_weather(Weather { delay_max: Duration::from_millis(5), ..Weather::default() });
            while self.ends.lock().len() < seats as usize {
                sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            biased;
            () = calm => {}
            _ = futures::future::join_all((1..=seats).map(|id| self.live(id, &clock))) => {}
            () = sleep(END_AFTER) => panic!("only these seats know the log: {:?}", self.ends.lock()),
        }
    }

    /// What must hold in every world.
    fn check(&self, seed: u64) {
        let ends = self.all_ends.lock();
        let (log, founders) = (ends[0].log(), ends[0].founders().to_vec());
        for found in ends.iter() {
            assert_eq!((found.log(), found.founders()), (log, founders.as_slice()), "seed {seed}: two decisions");
        }
        for told in self.net.told() {
            assert_eq!(told, FoundingValue { log, founders: founders.clone() }, "seed {seed}: two decisions");
        }
        assert!(founders.len() > self.drives.len() / 2, "seed {seed}: {founders:?} are no majority");
    }
}

#[test]
fn seats_that_crash_behind_a_bad_network_never_decide_twice() {
    let seeds = std::env::var("NAXOS_FOUNDING_SEEDS").map_or(60, |seeds| seeds.parse().unwrap());
    for seats in [1, 3, 5] {
        for seed in 0..seeds {
            let world = World::new(seats, seed);
            simulate(world.run());
            world.check(seed);
        }
    }
}

#[test]
fn a_seat_may_crash_at_each_of_its_syncs() {
    for victim in 1..=3 {
        for sync in 1..=10 {
            let world = World::new(3, sync);
            simulate(async {
                let drive = &world.drives[victim - 1];
                drive.freeze_at_sync(sync);
                let live = |id: u64| {
                    let world = &world;
                    async move {
                        let drive = &world.drives[id as usize - 1];
                        loop {
                            let life = drive.life();
                            let frozen = async {
                                while drive.life() == life {
                                    sleep(Duration::from_millis(1)).await;
                                }
                            };
                            let end = async {
                                let (seat, found) = found(drive, id, 3, &world.net).await;
                                world.all_ends.lock().push(found);
                                // The seat goes on answering until all have ended.
                                sleep(Duration::from_secs(30)).await;
                                drop(seat);
                            };
                            tokio::select! {
                                biased;
                                () = frozen => world.net.set(MemberId(id), None),
                                () = end => return,
                            }
                        }
                    }
                };
                tokio::join!(live(1), live(2), live(3));
            });
            assert!(world.all_ends.lock().len() >= 3, "victim {victim}, sync {sync}");
            world.check(sync);
        }
    }
}
