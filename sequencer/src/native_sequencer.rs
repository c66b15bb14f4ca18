//! [`NativeSequencer`]: the sequencer of one process, for native loglets.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use naxos_proto::chain::LogletParams;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, OnGrant, Refusal, Sequencer, Shape, UnitDirectory, UnitParams};
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use naxos_proto::native_params::NativeParams;
use naxos_proto::seams::Clock;
use naxos_proto::tail::Tail;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::fanout::{Fanout, Placement};
use crate::served::Served;

/// At most this many loglets are served at a time. Only the newest takes appends; the older ones stay until newer ones
/// need their places.
const LOGLETS_MAX: usize = 64;

/// The sequencer of one process. It serves the native loglets that name its incarnation.
///
/// [`Self::tend`] must run, or stores that failed are never sent again.
pub struct NativeSequencer {
    incarnation: Incarnation,
    units: Arc<dyn UnitDirectory>,
    clock: Arc<dyn Clock>,
    loglets: RwLock<Served<Fanout>>,
    /// Loglets that are to be opened on all their units.
    to_open: Mutex<Vec<Arc<Fanout>>>,
    /// Notified when [`Self::tend`] has something to do, or has to do it earlier.
    changed: Arc<Notify>,
}

impl NativeSequencer {
    /// A sequencer that serves no loglet yet.
    pub fn new(incarnation: Incarnation, units: Arc<dyn UnitDirectory>, clock: Arc<dyn Clock>) -> Self {
        let loglets = RwLock::new(Served::new(LOGLETS_MAX));
        Self { incarnation, units, clock, loglets, to_open: Mutex::default(), changed: Arc::default() }
    }

    /// Opens new loglets on all their units, and sends failed stores again, until `stop`. Runs on the Worker `peers`.
    pub async fn tend(&self, stop: CancellationToken) {
        let mut opening: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
        loop {
            for fanout in std::mem::take(&mut *self.to_open.lock()) {
                opening.push(Box::pin(fanout.open_everywhere()));
            }
            let served = self.loglets.read().all();
            for fanout in &served {
                for unit in fanout.resume_rested() {
                    opening.push(Box::pin(Arc::clone(fanout).open_on(unit)));
                }
            }
            let next = served.iter().filter_map(|f| f.next_resume()).min();
            let resume = async {
                match next {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                Some(()) = opening.next(), if !opening.is_empty() => {}
                () = resume => {}
            }
        }
    }

    fn fanout(&self, loglet: LogletId, incarnation: Incarnation) -> Result<Arc<Fanout>, Refusal> {
        if incarnation != self.incarnation {
            return Err(Refusal::OtherSequencer { loglet, owner: incarnation, asked: self.incarnation });
        }
        self.loglets.read().get(loglet)
    }

    fn serve_now(&self, loglet: &LogletParams) -> Result<(), Refusal> {
        let native = NativeParams::decode(loglet).map_err(|error| {
            let text = format!("this sequencer serves only native loglets with valid parameters: {error}");
            Refusal::Unsupported(text)
        })?;
        if native.sequencer != self.incarnation {
            let (loglet, owner) = (loglet.id, native.sequencer);
            return Err(Refusal::OtherSequencer { loglet, owner, asked: self.incarnation });
        }
        let find = |id| self.units.unit(id).ok_or(Refusal::UnknownUnit(id));
        let units = native.units.iter().map(|u| find(*u)).collect::<Result<Vec<_>, _>>()?;
        let placement = Placement {
            loglet: loglet.id,
            params: UnitParams { shape: Shape::Contiguous, incarnation: self.incarnation },
            units,
            write_quorum: native.write_quorum.into(),
        };
        let make = || Fanout::new(placement, Arc::clone(&self.clock), Arc::clone(&self.changed));
        let (fanout, earlier) = {
            let mut loglets = self.loglets.write();
            let Some(fanout) = loglets.serve(loglet.id, make)? else { return Ok(()) };
            (fanout, loglets.all_below(loglet.id))
        };
        // A loglet is served after a chain was installed that names it. That chain has ended all earlier loglets of the
        // log.
        earlier.iter().for_each(|f| f.retire());
        if native.units.len() > 1 {
            self.to_open.lock().push(fanout);
            self.changed.notify_one();
        }
        Ok(())
    }
}

impl Sequencer for NativeSequencer {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn serve<'a>(&'a self, loglet: &'a LogletParams) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(self.serve_now(loglet)))
    }

    fn append(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        batch: Vec<Cell>,
        granted: Option<OnGrant>,
        done: Completion<Result<Offset, AppendError>>,
    ) {
        match self.fanout(loglet, incarnation) {
            Ok(fanout) => fanout.append(batch, granted, done),
            Err(refusal) => done.complete(Err(refusal.into())),
        }
    }

    fn grant(&self, _: LogletId, _: Incarnation, _: u32) -> BoxFuture<'_, Result<Offset, AppendError>> {
        let text = "a native loglet gives no grants to clients: its sequencer stores the cells";
        Box::pin(std::future::ready(Err(Refusal::Unsupported(text.to_owned()).into())))
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>> {
        let fanout = self.loglets.read().get(loglet);
        let tail = fanout.ok().map(|f| Tail::Open(f.known_tail()));
        Box::pin(std::future::ready(tail))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use naxos_proto::contracts::StorageUnit;
    use naxos_proto::ids::{Boot, StorageId};
    use naxos_proto::seams::BootClock;

    use super::*;

    struct NoUnits;

    impl UnitDirectory for NoUnits {
        fn unit(&self, _: StorageId) -> Option<Arc<dyn StorageUnit>> {
            None
        }
    }

    #[test]
    fn rule_4_a_sequencer_serves_and_appends_only_for_its_own_incarnation() {
        let own = Incarnation { storage: StorageId(1), boot: Boot(2) };
        let earlier = Incarnation { boot: Boot(1), ..own };
        let sequencer = NativeSequencer::new(own, Arc::new(NoUnits), Arc::new(BootClock));
        let id = LogletId::default();
        let params = |sequencer| NativeParams { sequencer, units: vec![StorageId(1)], write_quorum: 1 }.encode(id);
        let other = Refusal::OtherSequencer { loglet: id, owner: earlier, asked: own };
        assert_eq!(sequencer.serve_now(&params(earlier)), Err(other.clone()));
        assert_eq!(sequencer.tail(id).now_or_never(), Some(None));
        assert_eq!(sequencer.fanout(id, earlier).err(), Some(other));
        assert_eq!(sequencer.fanout(id, own).err(), Some(Refusal::NotServed(id)));
    }

    #[test]
    fn parameters_that_do_not_decode_are_refused_with_the_reason() {
        let own = Incarnation { storage: StorageId(1), boot: Boot(2) };
        let sequencer = NativeSequencer::new(own, Arc::new(NoUnits), Arc::new(BootClock));
        let params = NativeParams { sequencer: own, units: vec![StorageId(1)], write_quorum: 1 };
        let mut params = params.encode(LogletId::default());
        params.bytes.truncate(3);
        let why = NativeParams::decode(&params).expect_err("the parameters are cut off");
        let text = format!("this sequencer serves only native loglets with valid parameters: {why}");
        assert_eq!(sequencer.serve_now(&params), Err(Refusal::Unsupported(text)));
    }
}
