//! The task of a lane: opens streams, hands out answers, and ends calls at their deadlines.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::frames_of::frames_of;
use super::state::State;
use super::{Lane, Protocol, lose};
use crate::peer::backoff::Backoff;
use crate::peer::limits::{CALL_MAX, CONNECT_MAX};
use crate::peer::{Failure, PeerLink};

/// Closes the lane when it is dropped, however the task ends. So no caller waits for an answer that cannot come any
/// more.
struct Closing<P: Protocol>(Arc<Lane<P>>);

impl<P: Protocol> Drop for Closing<P> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Runs the lane until `stop`, and closes it then. If the Worker refuses the task, or if its runtime ends, the future
/// may be dropped before it was polled for the first time. The lane is closed in this case, too.
pub(super) fn drive<P: Protocol>(
    lane: Arc<Lane<P>>,
    link: Arc<PeerLink>,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let closing = Closing(lane);
    async move {
        let lane = &closing.0;
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = expire(lane) => {}
            () = run_streams(lane, &link) => {}
        }
    }
}

/// Ends calls at their deadlines.
async fn expire<P: Protocol>(lane: &Lane<P>) {
    loop {
        // Later calls have later deadlines, so nothing is missed while this waits for the oldest one.
        let deadline = lane.state.until(|state| state.next_deadline()).await;
        lane.home.clock.sleep_until(deadline).await;
        let expired = lane.state.lock().expire(lane.home.clock.now());
        lose(expired);
    }
}

/// Opens one stream after the other, each when there is something to send.
async fn run_streams<P: Protocol>(lane: &Arc<Lane<P>>, link: &PeerLink) {
    let mut backoff = Backoff::new();
    loop {
        lane.state.until(|state| (state.has_work() && !state.is_closed()).then_some(())).await;
        let stream = lane.state.lock().begin_stream();
        let opening = P::open(link, frames_of(Arc::clone(lane), stream));
        let lost = match link.within(CONNECT_MAX + CALL_MAX, opening).await {
            Ok(answers) => {
                hand_out(lane, link, answers, &mut backoff).await;
                lane.state.change(State::end_stream)
            }
            Err(_) => lane.state.change(State::lose_all),
        };
        lose(lost);
        lane.home.clock.sleep(backoff.pause()).await;
    }
}

/// Hands out the answers of a stream until it breaks.
async fn hand_out<P: Protocol>(
    lane: &Lane<P>,
    link: &PeerLink,
    mut frames: Streaming<P::Answers>,
    backoff: &mut Backoff,
) {
    let problem = loop {
        match frames.message().await {
            Ok(Some(frame)) => {
                // This comes before any answer is handed out, because a caller may act on the answer at once.
                link.hear_synced(P::synced(&frame));
                let (chain, answers) = P::answers(frame);
                lane.home.news.hear(chain);
                if answers.iter().any(|(_, answer)| answer.is_none()) {
                    break "the peer sent an answer that cannot be read".to_owned();
                }
                backoff.succeeded();
                for (number, answer) in answers.into_iter().filter_map(|(number, answer)| Some((number, answer?))) {
                    if P::is_early(&answer) {
                        let early = lane.state.lock().early(number);
                        if let Some(early) = early {
                            early(answer);
                        }
                    } else if let Some(waiting) = { lane.state.lock().answered(number) } {
                        waiting(Ok(answer));
                    }
                }
            }
            Ok(None) => break "the peer ended the stream".to_owned(),
            Err(status) => break Failure::from(status).to_string(),
        }
    };
    link.note(Some(problem));
}
