//! A seal: ends appends for good and finds an offset above every acknowledged append.

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use naxos_proto::ids::Offset;

use super::NativeLoglet;
use super::repair::SealedUnit;
use crate::loglet::LogletError;

impl NativeLoglet {
    /// Seals the units until a seal quorum has answered, repairs those that are behind, and returns the highest tail.
    /// Does not wait for units that are slower than the quorum.
    pub(super) async fn seal_units(&self) -> Result<Offset, LogletError> {
        let id = self.params.id;
        let seal = |(unit, target): (usize, &std::sync::Arc<_>)| {
            let target: std::sync::Arc<dyn naxos_proto::contracts::StorageUnit> = std::sync::Arc::clone(target);
            async move { (unit, target.seal(id).await) }
        };
        let mut answers: FuturesUnordered<_> = self.units.iter().enumerate().map(seal).collect();
        let (mut sealed, mut errors) = (Vec::new(), Vec::new());
        loop {
            let enough = sealed.len() >= self.quorums().seal();
            // After a quorum has answered, take only answers that have arrived already.
            let answer = if enough { answers.next().now_or_never().flatten() } else { answers.next().await };
            match answer {
                Some((unit, Ok(tail))) => sealed.push(SealedUnit { unit, tail }),
                Some((_, Err(e))) => errors.push(e),
                None if enough => return self.repair(&sealed).await,
                None => return Err(self.unavailable("take a seal", &errors)),
            }
        }
    }
}
