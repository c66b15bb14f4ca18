//! The two streams of a unit, on both sides: one follows a loglet, the other tells the tails of a loglet.
//!
//! A stream that has nothing to send sends beats, so that a peer that hangs is noticed.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use tonic::{Response, Status, Streaming};

use super::protocol::client;
use crate::contracts::{Followed, LocalTail, UnitError};
use crate::ids::{LogletId, Offset};
use crate::peer::generated as wire;
use crate::peer::limits::{CALL_MAX, CONNECT_MAX, FOLLOW_BEAT, FOLLOW_SILENCE_MAX};
use crate::peer::wire::Wire;
use crate::peer::{Failure, PeerLink};
use crate::seams::Clock;

/// An item of a unit's stream. `None` is sent as a beat.
pub(super) trait Streamed: Sized + Send + 'static {
    /// The message that carries an item or a beat.
    type Message: Send + 'static;

    /// What the message tells about the sender's journal.
    fn synced(message: &Self::Message) -> Option<wire::Synced>;

    /// Whether no item follows this one.
    fn is_last(&self) -> bool;
    fn to_message(item: Option<Result<Self, UnitError>>) -> Self::Message;
    /// An item, a beat, or `Err` if the message is broken.
    fn from_message(message: Self::Message) -> Result<Option<Result<Self, UnitError>>, ()>;
}

impl Streamed for Followed {
    type Message = wire::FollowedItem;

    fn synced(_: &wire::FollowedItem) -> Option<wire::Synced> {
        None
    }

    fn is_last(&self) -> bool {
        matches!(self, Followed::Sealed(_))
    }

    fn to_message(item: Option<Result<Self, UnitError>>) -> wire::FollowedItem {
        item.to_wire()
    }

    fn from_message(message: wire::FollowedItem) -> Result<Option<Result<Self, UnitError>>, ()> {
        Wire::from_wire(message).map_err(drop)
    }
}

impl Streamed for LocalTail {
    type Message = wire::ToldTail;

    fn synced(message: &wire::ToldTail) -> Option<wire::Synced> {
        message.synced
    }

    fn is_last(&self) -> bool {
        self.sealed
    }

    fn to_message(item: Option<Result<Self, UnitError>>) -> wire::ToldTail {
        item.to_wire()
    }

    fn from_message(message: wire::ToldTail) -> Result<Option<Result<Self, UnitError>>, ()> {
        Wire::from_wire(message).map_err(drop)
    }
}

type Opening<M> = BoxFuture<'static, Result<Response<Streaming<M>>, Status>>;

/// Where a caller's stream stands.
enum Stage<M> {
    Closed(Opening<M>),
    Open(Box<Streaming<M>>),
    Ended,
}

/// Follows a loglet of the peer.
pub(super) fn follow(
    link: Arc<PeerLink>,
    loglet: LogletId,
    from: Offset,
) -> BoxStream<'static, Result<Followed, UnitError>> {
    let (mut client, request) =
        (client(&link), link.request(wire::FollowRequest { loglet: Some(loglet.to_wire()), from: from.0 }));
    items(link, Box::pin(async move { client.follow(request).await }))
}

/// The tails of a loglet that the peer's unit tells.
pub(super) fn tell_tails(link: Arc<PeerLink>, loglet: LogletId) -> BoxStream<'static, Result<LocalTail, UnitError>> {
    let (mut client, request) = (client(&link), link.request(loglet.to_wire()));
    items(link, Box::pin(async move { client.tell_tails(request).await }))
}

/// The items of a stream of the peer, which is opened when the first one is asked for. If the stream breaks, or if the
/// peer is silent for too long, the last item is [`UnitError::Unanswered`].
fn items<T: Streamed>(link: Arc<PeerLink>, opening: Opening<T::Message>) -> BoxStream<'static, Result<T, UnitError>> {
    stream::unfold((link, Stage::Closed(opening)), move |(link, stage)| async move {
        let opened = match stage {
            Stage::Closed(opening) => link.within(CONNECT_MAX + CALL_MAX, opening).await.map(Box::new),
            Stage::Open(items) => Ok(items),
            Stage::Ended => return None,
        };
        let Ok(mut items) = opened else { return Some((Err(UnitError::Unanswered), (link, Stage::Ended))) };
        let item = next::<T>(&link, &mut items).await;
        let stage = if ends(&item) { Stage::Ended } else { Stage::Open(items) };
        Some((item, (link, stage)))
    })
    .boxed()
}

/// Whether no item follows `item`.
fn ends<T: Streamed>(item: &Result<T, UnitError>) -> bool {
    item.as_ref().map_or(true, T::is_last)
}

/// The next item that is no beat.
async fn next<T: Streamed>(link: &PeerLink, items: &mut Streaming<T::Message>) -> Result<T, UnitError> {
    loop {
        let message = tokio::select! {
            biased;
            message = items.message() => message,
            () = link.home().clock.sleep(FOLLOW_SILENCE_MAX) => {
                link.note(Some(format!("a followed stream was silent for {} s", FOLLOW_SILENCE_MAX.as_secs())));
                return Err(UnitError::Unanswered);
            }
        };
        match message {
            Ok(Some(message)) => {
                link.hear_synced(T::synced(&message));
                match T::from_message(message) {
                    Ok(Some(item)) => return item,
                    Ok(None) => {}
                    Err(()) => return Err(UnitError::Unanswered),
                }
            }
            // After the last item nothing more is read here. So the stream has ended too early.
            Ok(None) => return Err(UnitError::Unanswered),
            Err(status) => {
                link.note(Some(Failure::from(status).to_string()));
                return Err(UnitError::Unanswered);
            }
        }
    }
}

/// The messages of `items`, with beats while `items` has nothing to send.
pub(super) fn serve<T: Streamed>(
    items: BoxStream<'static, Result<T, UnitError>>,
    clock: Arc<dyn Clock>,
) -> BoxStream<'static, Result<T::Message, Status>> {
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
            Some((Ok(T::to_message(item)), (!is_last).then_some(items)))
        }
    })
    .boxed()
}
