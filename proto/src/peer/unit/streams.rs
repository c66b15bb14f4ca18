//! The stream of a followed loglet, on both sides.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::{Status, Streaming};

use super::protocol::client;
use crate::contracts::{Followed, UnitError};
use crate::ids::{LogletId, Offset};
use crate::peer::generated as wire;
use crate::peer::limits::{CALL_MAX, CONNECT_MAX, FOLLOW_BEAT, FOLLOW_SILENCE_MAX};
use crate::peer::wire::Wire;
use crate::peer::{Failure, PeerLink};
use crate::seams::Clock;

type Item = Result<Followed, UnitError>;

/// Where a caller's stream stands.
enum Stage {
    Closed,
    Open(Box<Streaming<wire::FollowedItem>>),
    Ended,
}

/// Follows a loglet of the peer. The stream is opened when its first item is asked for. If it breaks, or if the peer is
/// silent for too long, its last item is [`UnitError::Unanswered`].
pub(super) fn follow(link: Arc<PeerLink>, loglet: LogletId, from: Offset) -> BoxStream<'static, Item> {
    let request = wire::FollowRequest { loglet: Some(loglet.to_wire()), from: from.0 };
    stream::unfold((link, Stage::Closed), move |(link, stage)| async move {
        let opened = match stage {
            Stage::Closed => {
                let mut client = client(&link);
                link.within(CONNECT_MAX + CALL_MAX, client.follow(link.request(request))).await.map(Box::new)
            }
            Stage::Open(items) => Ok(items),
            Stage::Ended => return None,
        };
        let Ok(mut items) = opened else { return Some((Err(UnitError::Unanswered), (link, Stage::Ended))) };
        let item = next(&link, &mut items).await?;
        let stage = if ends(&item) { Stage::Ended } else { Stage::Open(items) };
        Some((item, (link, stage)))
    })
    .boxed()
}

/// Whether no item follows `item`.
fn ends(item: &Item) -> bool {
    match item {
        Ok(Followed::Sealed(_)) | Err(_) => true,
        Ok(Followed::Cells { .. } | Followed::KnownTail(_)) => false,
    }
}

/// The next item that is no beat.
async fn next(link: &PeerLink, items: &mut Streaming<wire::FollowedItem>) -> Option<Item> {
    loop {
        let message = tokio::select! {
            biased;
            message = items.message() => message,
            () = link.home().clock.sleep(FOLLOW_SILENCE_MAX) => {
                link.note(Some(format!("a followed stream was silent for {} s", FOLLOW_SILENCE_MAX.as_secs())));
                return Some(Err(UnitError::Unanswered));
            }
        };
        match message {
            Ok(Some(message)) => match Option::<Item>::from_wire(message) {
                Ok(Some(item)) => return Some(item),
                Ok(None) => {}
                Err(_) => return Some(Err(UnitError::Unanswered)),
            },
            // The server ends its stream only after an item that ends it.
            Ok(None) => return Some(Err(UnitError::Unanswered)),
            Err(status) => {
                link.note(Some(Failure::from(status).to_string()));
                return Some(Err(UnitError::Unanswered));
            }
        }
    }
}

/// The messages of `items`, with beats where it has nothing to send.
pub(super) fn serve(
    items: BoxStream<'static, Item>,
    clock: Arc<dyn Clock>,
) -> BoxStream<'static, Result<wire::FollowedItem, Status>> {
    stream::unfold(Some(items), move |items| {
        let clock = Arc::clone(&clock);
        async move {
            let mut items = items?;
            let item = tokio::select! {
                biased;
                item = items.next() => Some(item?),
                () = clock.sleep(FOLLOW_BEAT) => None,
            };
            let is_last = item.as_ref().is_some_and(ends);
            Some((Ok(item.to_wire()), (!is_last).then_some(items)))
        }
    })
    .boxed()
}
