//! The trim point: what the units of a loglet have trimmed.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use naxos_proto::ids::Offset;

use super::Copies;

impl Copies {
    /// The trim point of the first unit that answers. [`Offset::ZERO`] if none answers.
    pub(in crate::loglets) async fn trim_point(&self) -> Offset {
        let mut asked: FuturesUnordered<_> = self.units.iter().map(|unit| unit.tail(self.loglet)).collect();
        while let Some(answer) = asked.next().await {
            if let Ok(tail) = answer {
                return tail.trim_point;
            }
        }
        Offset::ZERO
    }
}
