//! [`FoundingNet`]: the seats of a cluster behind a network that loses, repeats and delays messages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use naxos_proto::contracts::{
    Founding, FoundingAnswer, FoundingDirectory, FoundingRequest, FoundingStep, FoundingUnanswered, FoundingValue,
};
use naxos_proto::ids::MemberId;
use naxos_proto::seams::Worker;
use naxos_proto::seams::sim::{SimClock, TaskWorker, Weather};
use naxos_proto::seams::{Clock, Entropy};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// All clones are the same network.
#[derive(Clone)]
pub(crate) struct FoundingNet(Arc<Inner>);

struct Inner {
    seats: Mutex<BTreeMap<MemberId, Arc<dyn Founding>>>,
    weather: Mutex<Weather>,
    dice: Arc<dyn Entropy>,
    clock: SimClock,
    /// The decisions that seats were told.
    told: Mutex<Vec<FoundingValue>>,
}

impl FoundingNet {
    pub(crate) fn new(dice: Arc<dyn Entropy>) -> Self {
        Self(Arc::new(Inner {
            seats: Mutex::default(),
            weather: Mutex::default(),
            dice,
            clock: SimClock::new(Duration::ZERO),
            told: Mutex::default(),
        }))
    }

    /// From now on, messages to `id` reach `seat`; `None` if it is down.
    pub(crate) fn set(&self, id: MemberId, seat: Option<Arc<dyn Founding>>) {
        match seat {
            Some(seat) => self.0.seats.lock().insert(id, seat),
            None => self.0.seats.lock().remove(&id),
        };
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        *self.0.weather.lock() = weather;
    }

    pub(crate) fn told(&self) -> Vec<FoundingValue> {
        self.0.told.lock().clone()
    }

    fn happens(&self, thousandths: u64) -> bool {
        self.0.dice.u64() % 1_000 < thousandths
    }

    fn delay(&self) -> Duration {
        self.0.weather.lock().delay(self.0.dice.u64())
    }

    /// Lets a message arrive.
    async fn arrive(&self, request: FoundingRequest) -> Result<FoundingAnswer, FoundingUnanswered> {
        let seat = self.0.seats.lock().get(&request.to).cloned();
        let seat = seat.ok_or_else(|| FoundingUnanswered("connection refused".to_owned()))?;
        if let FoundingStep::Learn { value } = &request.step {
            self.0.told.lock().push(value.clone());
        }
        let request = FoundingRequest::decode(request.encode()).unwrap();
        let answer = seat.ask(request).await?;
        Ok(FoundingAnswer::decode(answer.encode()).unwrap())
    }
}

struct Line(FoundingNet);

impl FoundingDirectory for FoundingNet {
    fn seat(&self, _: MemberId) -> Option<Arc<dyn Founding>> {
        Some(Arc::new(Line(self.clone())))
    }
}

impl Founding for Line {
    fn ask(&self, request: FoundingRequest) -> BoxFuture<'_, Result<FoundingAnswer, FoundingUnanswered>> {
        let net = self.0.clone();
        let weather = *net.0.weather.lock();
        let (is_lost, is_answered) = (net.happens(weather.lost), !net.happens(weather.unanswered));
        let again = net.happens(weather.repeated).then(|| net.delay() * 20);
        let (there, back) = (net.delay(), net.delay());
        let (done, waiting) = tokio::sync::oneshot::channel();
        // The call is carried out even if the caller gives up waiting.
        let body = async move {
            net.0.clock.sleep(there).await;
            if !is_lost {
                let answer = net.arrive(request.clone()).await;
                net.0.clock.sleep(back).await;
                if is_answered {
                    let _ = done.send(answer);
                }
            }
            if let Some(later) = again {
                net.0.clock.sleep(later).await;
                let _ = net.arrive(request).await;
            }
        };
        TaskWorker.start_task("founding-call", CancellationToken::new(), Box::pin(body));
        Box::pin(async move { waiting.await.unwrap_or_else(|_| Err(FoundingUnanswered("lost".to_owned()))) })
    }
}
