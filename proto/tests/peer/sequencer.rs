//! The sequencer of another node.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, Refusal, Sequencer};
use naxos_proto::ids::{Boot, Incarnation, LogletId, Lsn, Offset, StreamId};
use naxos_proto::peer::limits::{CALL_MAX, LANE_CALLS_MAX};
use naxos_proto::peer::{Home, RemoteSequencer, SequencerService};
use naxos_proto::streams::{BackPointers, StreamHeader};
use naxos_proto::tail::Tail;
use parking_lot::Mutex;
use tonic::service::Routes;

use crate::fake_sequencer::FakeSequencer;
use crate::world::{CALLER, LOGLET, Network, SERVER, home, simulate};

fn world() -> (Network, Arc<FakeSequencer>, RemoteSequencer, Home) {
    let (network, fake, caller) = (Network::new(), FakeSequencer::new(), home(CALLER));
    network.serve(Routes::new(SequencerService::server(&home(SERVER), fake.clone())));
    let sequencer = RemoteSequencer::new(&network.link(caller.clone()), Boot(3));
    assert_eq!(sequencer.incarnation(), fake.incarnation());
    (network, fake, sequencer, caller)
}

fn append(sequencer: &RemoteSequencer, text: String) -> BoxFuture<'static, Result<Offset, AppendError>> {
    let (done, outcome) = Completion::channel();
    let cell = Cell::new(Bytes::from(text));
    sequencer.append(LOGLET, sequencer.incarnation(), vec![cell], None, done);
    outcome
}

#[test]
fn a_grant_is_told_before_the_outcome_and_is_no_outcome() {
    simulate(async {
        let (network, fake, sequencer, caller) = world();
        fake.grants.store(true, Ordering::Relaxed);
        let heard: Arc<Mutex<Vec<u64>>> = Arc::default();
        let append = |text: &'static str| {
            let ((done, outcome), heard) = (Completion::channel(), Arc::clone(&heard));
            let cell = Cell::new(Bytes::from_static(text.as_bytes()));
            let granted = Box::new(move |at: Offset| heard.lock().push(at.0));
            sequencer.append(LOGLET, sequencer.incarnation(), vec![cell], Some(granted), done);
            outcome
        };
        let (mut one, two) = (append("one"), append("two"));
        caller.clock.sleep(Duration::from_millis(10)).await;
        assert_eq!(*heard.lock(), [100, 101]);
        assert_eq!((&mut one).now_or_never(), None);
        fake.answer(0, Ok(Offset(100)));
        assert_eq!(one.await, Ok(Offset(100)));
        network.cut();
        assert!(matches!(two.await, Err(AppendError::Unknown(_))), "a grant is no outcome");
        assert_eq!(heard.lock().len(), 2);
    });
}

#[test]
fn appends_arrive_in_their_order_and_each_gets_its_own_answer() {
    simulate(async {
        let (_network, fake, sequencer, caller) = world();
        let outcomes: Vec<_> = (0..100).map(|n| append(&sequencer, n.to_string())).collect();
        caller.clock.sleep(Duration::from_millis(10)).await;
        assert_eq!(fake.appends(), (0..100).map(|n| n.to_string().into_bytes()).collect::<Vec<_>>());
        // The answers come in another order than the appends.
        let answer = |n: usize| match n {
            3 => Err(AppendError::Sealed),
            4 => Err(AppendError::Refused(Refusal::NotServed(LOGLET))),
            5 => Err(AppendError::Unknown("disk".to_owned())),
            n => Ok(Offset(n as u64)),
        };
        for n in (0..100).rev() {
            fake.answer(n, answer(n));
        }
        let outcomes = futures::future::join_all(outcomes).await;
        assert_eq!(outcomes, (0..100).map(answer).collect::<Vec<_>>());
    });
}

#[test]
fn an_append_without_an_answer_is_unknown() {
    simulate(async {
        let (network, _fake, sequencer, caller) = world();
        let began = caller.clock.now();
        let late = append(&sequencer, "late".to_owned()).await;
        assert!(matches!(late, Err(AppendError::Unknown(_))), "{late:?}");
        assert_eq!(caller.clock.now().since(began).as_secs(), CALL_MAX.as_secs());

        let sent = append(&sequencer, "sent".to_owned());
        caller.clock.sleep(Duration::from_millis(10)).await;
        network.cut();
        let lost = sent.await;
        assert!(matches!(lost, Err(AppendError::Unknown(_))), "{lost:?}");
        let gone = Incarnation { boot: Boot(3), ..sequencer.incarnation() };
        let loglet = LogletParams { id: LOGLET, kind: LogletKind::NATIVE, bytes: Bytes::new() };
        assert_eq!(sequencer.serve(&loglet, Lsn::ZERO).await, Err(Refusal::NoSequencer(gone)));
        assert_eq!(sequencer.tail(LOGLET).await, None);
        assert!(matches!(sequencer.grant(LOGLET, gone, 1).await, Err(AppendError::Unknown(_))));
    });
}

#[test]
fn a_full_queue_refuses_at_once() {
    simulate(async {
        let (_network, _fake, sequencer, _) = world();
        let waiting: Vec<_> = (0..LANE_CALLS_MAX).map(|_| append(&sequencer, "x".to_owned())).collect();
        let refused = append(&sequencer, "y".to_owned()).now_or_never();
        assert_eq!(refused, Some(Err(AppendError::Refused(Refusal::Overloaded))));
        assert_eq!(waiting.len(), LANE_CALLS_MAX);
    });
}

#[test]
fn the_other_calls_are_answered_too() {
    simulate(async {
        let (_network, fake, sequencer, _) = world();
        let loglet = LogletParams { id: LOGLET, kind: LogletKind::NATIVE, bytes: Bytes::from_static(b"units") };
        assert_eq!(sequencer.serve(&loglet, Lsn(77)).await, Ok(()));
        assert_eq!(*fake.served.lock(), [(loglet.clone(), Lsn(77))]);
        let too_high = sequencer.serve(&loglet, Lsn(u64::MAX)).await;
        assert!(too_high.is_err(), "a position that would overflow");
        let other = LogletId { ordinal: 2, ..LOGLET };
        let refused = sequencer.serve(&LogletParams { id: other, ..loglet }, Lsn::ZERO).await;
        assert_eq!(refused, Err(Refusal::NotServed(other)));
        assert_eq!(sequencer.grant(LOGLET, sequencer.incarnation(), 6).await, Ok(Offset(6)));
        let refused = sequencer.grant(other, sequencer.incarnation(), 6).await;
        assert_eq!(refused, Err(AppendError::Refused(Refusal::NotServed(other))));
        assert_eq!(sequencer.tail(LOGLET).await, Some(Tail::Sealed(Offset(8))));
        assert_eq!(sequencer.tail(other).await, None);
        let headers = vec![Bytes::new(), StreamHeader::blank(&[StreamId(3)], None, b"")];
        let (at, filled) =
            sequencer.grant_in_streams(LOGLET, sequencer.incarnation(), headers).await.expect("it is granted");
        let (header, _) = StreamHeader::decode(filled[1].clone()).expect("a header");
        assert_eq!((at, filled[0].is_empty()), (Offset(4), true));
        assert_eq!(header.of(StreamId(3)), Some(&BackPointers::below(Lsn(3))));
        let tails = sequencer.stream_tails(LOGLET, &[StreamId(5), StreamId(4)]).await.expect("it is served");
        assert_eq!((tails.below, &tails.tails[1]), (Lsn(9), &BackPointers::below(Lsn(4))));
        assert_eq!(sequencer.stream_tails(other, &[StreamId(5)]).await, None);
    });
}
