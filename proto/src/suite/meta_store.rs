//! The conformance tests of [`MetaStore`].

use bytes::Bytes;

use crate::contracts::{MetaStore, PutOutcome, Versioned};
use crate::ids::ChainVersion;

/// Runs all cases on an empty register.
pub async fn meta_store(meta: &dyn MetaStore) {
    let text = Bytes::from_static;
    assert_eq!(meta.get().await, Ok(Versioned::default()), "a fresh register is empty, at version zero");

    assert_eq!(meta.put(ChainVersion(0), text(b"a")).await, Ok(PutOutcome::Ok(ChainVersion(1))));
    let a = Versioned { version: ChainVersion(1), bytes: text(b"a") };
    assert_eq!(meta.get().await, Ok(a.clone()), "a read sees a put that was answered before");

    for stale in [0, 2, u64::MAX] {
        let outcome = meta.put(ChainVersion(stale), text(b"b")).await;
        assert_eq!(outcome, Ok(PutOutcome::Conflict(a.clone())), "a put that expects version {stale}");
    }
    assert_eq!(meta.get().await, Ok(a), "a conflict changes nothing");

    let (one, two) = futures::join!(meta.put(ChainVersion(1), text(b"one")), meta.put(ChainVersion(1), text(b"two")));
    let winner = match (one, two) {
        (Ok(PutOutcome::Ok(_)), Ok(PutOutcome::Conflict(v))) | (Ok(PutOutcome::Conflict(v)), Ok(PutOutcome::Ok(_))) => {
            v
        }
        other => panic!("of two puts that race exactly one wins: {other:?}"),
    };
    assert_eq!(meta.get().await, Ok(winner), "the loser is told the winner's value");

    for version in 2..40 {
        let bytes = Bytes::from(vec![7; 100]);
        assert_eq!(meta.put(ChainVersion(version), bytes).await, Ok(PutOutcome::Ok(ChainVersion(version + 1))));
    }
    assert_eq!(meta.get().await.map(|v| v.version), Ok(ChainVersion(40)));
}
