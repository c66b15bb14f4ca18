//! What the answers of a node tell about its journal.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use naxos_proto::contracts::{StorageUnit, SyncedBatches};
use naxos_proto::ids::{Boot, Offset, StorageId};
use naxos_proto::peer::{Home, RemoteUnit, SyncedNews, UnitService};
use tonic::service::Routes;

use crate::fake_unit::FakeUnit;
use crate::world::{CALLER, LOGLET, Network, SERVER, home, simulate};

#[test]
fn every_answer_tells_how_many_batches_are_durable() {
    simulate(async {
        let (network, caller) = (Network::new(), home(CALLER));
        // The number rises with each answer, so that the caller shows which one it heard last.
        let told = AtomicU64::new(0);
        let synced = SyncedNews::new(Boot(3), move || told.fetch_add(1, Ordering::Relaxed) + 1);
        let server = Home { synced, ..home(SERVER) };
        network.serve(Routes::new(UnitService::server(&server, FakeUnit::new(true))));
        let unit = RemoteUnit::new(&network.link(caller.clone()));
        let heard = || caller.synced.heard();
        let expected = |count| vec![(StorageId(SERVER), SyncedBatches::first(Boot(3), count))];

        unit.seal(LOGLET).await.unwrap();
        assert_eq!(heard(), expected(2), "the stream was answered, and then the call");
        unit.read(LOGLET, Offset(0)..Offset(1), 1).await.unwrap();
        assert_eq!(heard(), expected(3), "a unary call");
        let mut tails = unit.tell_tails(LOGLET);
        tails.next().await.expect("a tail").unwrap();
        assert_eq!(heard(), expected(5), "the stream was answered, and then a tail was told");
    });
}
