//! [`LocalSequencer`]: the sequencer of one process, for native and for Corfu loglets.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, OnGrant, Refusal, Sequencer, Shape, UnitDirectory, UnitParams};
use naxos_proto::corfu_params::CorfuParams;
use naxos_proto::ids::{Incarnation, LogletId, Lsn, Offset, StreamId};
use naxos_proto::native_params::NativeParams;
use naxos_proto::seams::Clock;
use naxos_proto::streams::StreamTails;
use naxos_proto::tail::Tail;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::fanout::{Fanout, Placement};
use crate::granted::Granted;
use crate::served::Served;
use crate::tokens::Tokens;

/// At most this many loglets of each kind are served at a time. Only the newest takes appends. The older ones stay until
/// newer ones need their places.
const LOGLETS_MAX: usize = 64;

/// The sequencer of one process. It serves the loglets that name its incarnation: it stores the appends of native
/// loglets, and gives out the offsets of Corfu loglets.
///
/// [`Self::tend`] must run, or stores that failed are never sent again.
pub struct LocalSequencer {
    incarnation: Incarnation,
    units: Arc<dyn UnitDirectory>,
    clock: Arc<dyn Clock>,
    /// The native loglets.
    loglets: RwLock<Served<Fanout>>,
    /// The Corfu loglets. If both are locked at once, `loglets` is locked first.
    tokens: RwLock<Served<Tokens>>,
    /// Loglets that are to be opened on all their units.
    to_open: Mutex<Vec<Arc<Fanout>>>,
    /// Notified when [`Self::tend`] has something to do, or has to do it earlier.
    changed: Arc<Notify>,
}

impl LocalSequencer {
    /// A sequencer that serves no loglet yet.
    pub fn new(incarnation: Incarnation, units: Arc<dyn UnitDirectory>, clock: Arc<dyn Clock>) -> Self {
        let (loglets, tokens) = (RwLock::new(Served::new(LOGLETS_MAX)), RwLock::new(Served::new(LOGLETS_MAX)));
        Self { incarnation, units, clock, loglets, tokens, to_open: Mutex::default(), changed: Arc::default() }
    }

    /// How far the sequencer has got with each loglet that it serves.
    pub fn granted(&self) -> Vec<Granted> {
        let native = self.loglets.read().all().into_iter().map(|fanout| fanout.granted());
        let corfu = self.tokens.read().all_with_ids().into_iter();
        let corfu = corfu.map(|(loglet, t)| Granted { loglet, next: t.next(), in_flight: 0, in_flight_max: 0 });
        native.chain(corfu).collect()
    }

    /// Opens new loglets on all their units, sends failed stores again, and tells units on other nodes the known tail,
    /// until `stop`. Runs on the Worker `peers`.
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

    /// Safety rule 4: a loglet belongs to one incarnation for its whole life.
    fn check_owner(&self, loglet: LogletId, owner: Incarnation) -> Result<(), Refusal> {
        let asked = self.incarnation;
        if owner == asked { Ok(()) } else { Err(Refusal::OtherSequencer { loglet, owner, asked }) }
    }

    fn fanout(&self, loglet: LogletId, incarnation: Incarnation) -> Result<Arc<Fanout>, Refusal> {
        self.check_owner(loglet, incarnation)?;
        self.loglets.read().get(loglet)
    }

    /// The offsets of a Corfu loglet.
    fn tokens_of(&self, loglet: LogletId, incarnation: Incarnation) -> Result<Arc<Tokens>, Refusal> {
        self.check_owner(loglet, incarnation)?;
        if self.loglets.read().get(loglet).is_ok() {
            let text = "a native loglet gives no grants to clients: its sequencer stores the cells";
            return Err(Refusal::Unsupported(text.to_owned()));
        }
        self.tokens.read().get(loglet)
    }

    fn serve_now(&self, loglet: &LogletParams, start: Lsn) -> Result<(), Refusal> {
        match loglet.kind {
            LogletKind::CORFU => self.serve_corfu(loglet, start),
            _ => self.serve_native(loglet, start),
        }
    }

    fn serve_corfu(&self, loglet: &LogletParams, start: Lsn) -> Result<(), Refusal> {
        let corfu = CorfuParams::decode(loglet).map_err(|error| Refusal::Unsupported(error.to_string()))?;
        self.check_owner(loglet.id, corfu.sequencer)?;
        let is_new = self.tokens.write().serve(loglet.id, || Tokens::new(loglet.id, start))?.is_some();
        if is_new {
            self.retire_below(loglet.id);
        }
        Ok(())
    }

    /// Ends the earlier loglets of the log, once `id` is served. A loglet is served only after a chain that names it was
    /// installed, and that chain has ended all earlier loglets.
    fn retire_below(&self, id: LogletId) {
        let (native, corfu) = (self.loglets.read().all_below(id), self.tokens.read().all_below(id));
        native.iter().for_each(|fanout| fanout.retire());
        corfu.iter().for_each(|tokens| tokens.retire());
    }

    fn serve_native(&self, loglet: &LogletParams, start: Lsn) -> Result<(), Refusal> {
        let native = NativeParams::decode(loglet).map_err(|error| {
            let text = format!("this sequencer serves only native and Corfu loglets with valid parameters: {error}");
            Refusal::Unsupported(text)
        })?;
        self.check_owner(loglet.id, native.sequencer)?;
        let find = |id| self.units.unit(id).ok_or(Refusal::UnknownUnit(id));
        let units = native.units.iter().map(|u| find(*u)).collect::<Result<Vec<_>, _>>()?;
        let placement = Placement {
            loglet: loglet.id,
            params: UnitParams { shape: Shape::Contiguous, incarnation: self.incarnation },
            units,
            write_quorum: native.write_quorum.into(),
            start,
        };
        let make = || Fanout::new(placement, Arc::clone(&self.clock), Arc::clone(&self.changed));
        let served = self.loglets.write().serve(loglet.id, make)?;
        let Some(fanout) = served else { return Ok(()) };
        self.retire_below(loglet.id);
        if native.units.len() > 1 {
            self.to_open.lock().push(fanout);
            self.changed.notify_one();
        }
        Ok(())
    }
}

impl Sequencer for LocalSequencer {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn serve<'a>(&'a self, loglet: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(self.serve_now(loglet, start)))
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

    fn grant(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        count: u32,
    ) -> BoxFuture<'_, Result<Offset, AppendError>> {
        let tokens = self.tokens_of(loglet, incarnation).map_err(AppendError::from);
        Box::pin(std::future::ready(tokens.and_then(|tokens| tokens.grant(count))))
    }

    fn grant_in_streams(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        headers: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<(Offset, Vec<Bytes>), AppendError>> {
        let tokens = self.tokens_of(loglet, incarnation).map_err(AppendError::from);
        Box::pin(std::future::ready(tokens.and_then(|tokens| tokens.grant_in_streams(headers))))
    }

    fn stream_tails<'a>(&'a self, loglet: LogletId, streams: &'a [StreamId]) -> BoxFuture<'a, Option<StreamTails>> {
        let native = self.loglets.read().get(loglet).map(|fanout| fanout.stream_tails(streams));
        let tails = native.or_else(|_| self.tokens.read().get(loglet).map(|tokens| tokens.stream_tails(streams)));
        Box::pin(std::future::ready(tails.ok()))
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>> {
        let native = self.loglets.read().get(loglet).map(|fanout| fanout.known_tail());
        let tail = native.or_else(|_| self.tokens.read().get(loglet).map(|tokens| tokens.next()));
        Box::pin(std::future::ready(tail.ok().map(Tail::Open)))
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
        let sequencer = LocalSequencer::new(own, Arc::new(NoUnits), Arc::new(BootClock));
        let id = LogletId::default();
        let params = |sequencer| NativeParams { sequencer, units: vec![StorageId(1)], write_quorum: 1 }.encode(id);
        let other = Refusal::OtherSequencer { loglet: id, owner: earlier, asked: own };
        assert_eq!(sequencer.serve_now(&params(earlier), Lsn::ZERO), Err(other.clone()));
        assert_eq!(sequencer.tail(id).now_or_never(), Some(None));
        assert_eq!(sequencer.fanout(id, earlier).err(), Some(other));
        assert_eq!(sequencer.fanout(id, own).err(), Some(Refusal::NotServed(id)));
    }

    #[test]
    fn rule_4_a_corfu_loglet_has_one_sequencer_which_gives_out_nothing_once_a_later_loglet_is_served() {
        let own = Incarnation { storage: StorageId(1), boot: Boot(2) };
        let sequencer = LocalSequencer::new(own, Arc::new(NoUnits), Arc::new(BootClock));
        let id = |ordinal| LogletId { ordinal, ..LogletId::default() };
        let params = |sequencer, ordinal| CorfuParams { sequencer, units: vec![StorageId(1)] }.encode(id(ordinal));
        let grant = |by, ordinal| sequencer.grant(id(ordinal), by, 2).now_or_never().expect("it is here");
        let earlier = Incarnation { boot: Boot(1), ..own };
        let other = Refusal::OtherSequencer { loglet: id(1), owner: earlier, asked: own };
        assert_eq!(sequencer.serve_now(&params(earlier, 1), Lsn::ZERO), Err(other.clone()));
        assert_eq!(grant(own, 1), Err(Refusal::NotServed(id(1)).into()));
        assert_eq!(sequencer.serve_now(&params(own, 1), Lsn::ZERO), Ok(()));
        assert_eq!(grant(earlier, 1), Err(other.into()));
        assert_eq!((grant(own, 1), grant(own, 1)), (Ok(Offset(0)), Ok(Offset(2))));
        assert_eq!(sequencer.serve_now(&params(own, 1), Lsn::ZERO), Ok(()), "serving again is no error");
        assert_eq!(grant(own, 1), Ok(Offset(4)), "and it begins nothing again");
        assert_eq!(sequencer.tail(id(1)).now_or_never(), Some(Some(Tail::Open(Offset(6)))));
        assert_eq!(sequencer.serve_now(&params(own, 2), Lsn::ZERO), Ok(()));
        assert_eq!(grant(own, 1), Err(AppendError::Sealed));
        assert_eq!(grant(own, 2), Ok(Offset(0)));
    }

    #[test]
    fn parameters_that_do_not_decode_are_refused_with_the_reason() {
        let own = Incarnation { storage: StorageId(1), boot: Boot(2) };
        let sequencer = LocalSequencer::new(own, Arc::new(NoUnits), Arc::new(BootClock));
        let params = NativeParams { sequencer: own, units: vec![StorageId(1)], write_quorum: 1 };
        let mut params = params.encode(LogletId::default());
        params.bytes.truncate(3);
        let why = NativeParams::decode(&params).expect_err("the parameters are cut off");
        let text = format!("this sequencer serves only native and Corfu loglets with valid parameters: {why}");
        assert_eq!(sequencer.serve_now(&params, Lsn::ZERO), Err(Refusal::Unsupported(text)));
    }
}
