//! Tasks that never begin, because the Worker refuses them or its runtime ends, leave no caller waiting.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, Purpose, Sequencer, StorageUnit, Store, UnitError};
use naxos_proto::ids::{Boot, Offset};
use naxos_proto::peer::{Home, RemoteSequencer, RemoteUnit, SequencerService, UnitService};
use naxos_proto::seams::{Body, Tasks, Worker, WorkerHandle};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::fake_sequencer::FakeSequencer;
use crate::fake_unit::FakeUnit;
use crate::world::{CALLER, LOGLET, Network, OWNER, SERVER, home, simulate};

/// A Worker that begins nothing.
struct Refusing;

impl Worker for Refusing {
    fn start(&self, name: &str, _: CancellationToken, _: Body) -> WorkerHandle {
        WorkerHandle::new(name).1
    }

    fn start_task(&self, _: &'static str, _: CancellationToken, _: BoxFuture<'static, ()>) {}
}

fn without_tasks(home: Home) -> Home {
    Home { tasks: Tasks::new(Arc::new(Refusing), CancellationToken::new()), ..home }
}

fn cell() -> Cell {
    Cell::new(Bytes::from_static(b"x"))
}

/// A store and an append of a caller to a server.
async fn call(caller: Home, server: Home) {
    let network = Network::new();
    let unit = UnitService::server(&server, FakeUnit::new(true));
    network.serve(Routes::new(unit).add_service(SequencerService::server(&server, FakeSequencer::new())));
    let link = network.link(caller.clone());
    let (unit, sequencer) = (RemoteUnit::new(&link), RemoteSequencer::new(&link, Boot(3)));
    let began = caller.clock.now();
    let purpose = Purpose::Append { known_tail: Offset(0) };
    let store = Store { loglet: LOGLET, incarnation: OWNER, at: Offset(0), cells: vec![cell()], purpose };
    let (done, stored) = Completion::channel();
    unit.store(store, done);
    assert_eq!(stored.await, Err(UnitError::Unanswered));
    let (done, appended) = Completion::channel();
    sequencer.append(LOGLET, sequencer.incarnation(), vec![cell()], None, done);
    assert!(matches!(appended.await, Err(AppendError::Unknown(_))));
    let took = caller.clock.now().since(began);
    assert!(took < Duration::from_millis(100), "the lost tasks were noticed only after {took:?}");
}

#[test]
fn a_lane_whose_task_never_begins_leaves_nobody_waiting() {
    simulate(call(without_tasks(home(CALLER)), home(SERVER)));
}

#[test]
fn a_server_whose_task_never_begins_ends_the_stream() {
    simulate(call(home(CALLER), without_tasks(home(SERVER))));
}
