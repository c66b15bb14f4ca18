//! The native loglet's sequencer: stores every batch on all units in parallel, and acknowledges it when a write quorum
//! has it.
//!
//! Many threads call `append`. Answers arrive on the units' committer threads. There are two locks. `order` keeps
//! granting and storing in one sequence; it is held while the stores are queued, which never blocks. `state` holds the
//! pure rules. Completions run outside both locks, on the thread that first finds a settled batch. Only one thread
//! runs them at a time, so that acknowledgements come in order. If a unit answers during the call of `store`, the
//! appending thread runs the completion later.

use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::chain::LogletParams;
use naxos_proto::completion::{Completion, ThreadLoad};
use naxos_proto::contracts::{AppendError, Cell, Purpose, Refusal, Sequencer, StorageUnit, Store, UnitDirectory};
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use naxos_proto::native_params::NativeParams;
use naxos_proto::tail::Tail;
use parking_lot::{Mutex, RwLock};

use crate::core::{Answer, Grants};
use crate::served::Served;

/// At most this many batches of a loglet may be in flight. Beyond it appends are refused.
pub const IN_FLIGHT_MAX: usize = 4_096;
/// At most this many loglets are served at a time. Only the newest takes appends; the older ones stay until newer ones
/// need their places.
const LOGLETS_MAX: usize = 64;

type Done = Completion<Result<Offset, AppendError>>;

struct State {
    grants: Grants<Done>,
    /// Whether a thread is running completions.
    draining: bool,
    /// Number of appends that are queueing stores right now.
    storing: u32,
}

struct Fanout {
    loglet: LogletId,
    incarnation: Incarnation,
    units: Vec<Arc<dyn StorageUnit>>,
    order: Mutex<()>,
    state: Mutex<State>,
}

impl Fanout {
    fn append(self: &Arc<Self>, batch: Vec<Cell>, done: Done) {
        let refused = self.store(batch, done);
        if let Some((done, why)) = refused {
            done.complete(Err(why));
        }
        self.drain(ThreadLoad::Busy);
    }

    fn store(self: &Arc<Self>, batch: Vec<Cell>, done: Done) -> Option<(Done, AppendError)> {
        let _order = self.order.lock();
        let (id, at, known_tail) = {
            let mut state = self.state.lock();
            match state.grants.grant(batch.len() as u64, done) {
                Err(refused) => return Some(refused),
                Ok((id, at)) => {
                    state.storing += 1;
                    (id, at, state.grants.known_tail())
                }
            }
        };
        let mut cells = Some(batch);
        for (unit, target) in self.units.iter().enumerate() {
            let last = unit + 1 == self.units.len();
            let cells = if last { cells.take() } else { cells.clone() }.expect("taken by the last unit only");
            let purpose = Purpose::Append { known_tail };
            let store = Store { loglet: self.loglet, incarnation: self.incarnation, at, cells, purpose };
            let this = Arc::clone(self);
            let answered = move |result, load| this.answered(id, unit, Answer::of(result), load);
            target.store(store, Completion::on_thread(answered));
        }
        self.state.lock().storing -= 1;
        None
    }

    fn answered(&self, id: u64, unit: usize, answer: Answer, load: ThreadLoad) {
        self.state.lock().grants.answer(id, unit, answer);
        self.drain(load);
    }

    /// Runs the completions of settled batches in order. Does nothing if another thread does that already, or if an
    /// append is queueing its stores: that append calls this afterwards.
    /// `load` is the load of the calling thread.
    fn drain(&self, load: ThreadLoad) {
        {
            let mut state = self.state.lock();
            if state.draining || state.storing > 0 {
                return;
            }
            state.draining = true;
        }
        loop {
            let mut state = self.state.lock();
            let Some(settled) = state.grants.settle() else {
                state.draining = false;
                let idle = state.grants.is_idle().then(|| state.grants.known_tail());
                drop(state);
                if let Some(known_tail) = idle {
                    // No store is in flight that could carry the known tail to the units.
                    self.units.iter().for_each(|u| u.advance(self.loglet, known_tail));
                }
                return;
            };
            drop(state);
            settled.tag.complete_on(settled.outcome, load);
        }
    }
}

/// The sequencer of one process. It serves the native loglets that name its incarnation.
pub struct NativeSequencer {
    incarnation: Incarnation,
    units: Arc<dyn UnitDirectory>,
    loglets: RwLock<Served<Fanout>>,
}

impl NativeSequencer {
    /// A sequencer that serves no loglet yet.
    pub fn new(incarnation: Incarnation, units: Arc<dyn UnitDirectory>) -> Self {
        Self { incarnation, units, loglets: RwLock::new(Served::new(LOGLETS_MAX)) }
    }

    fn fanout(&self, loglet: LogletId, incarnation: Incarnation) -> Result<Arc<Fanout>, Refusal> {
        if incarnation != self.incarnation {
            return Err(Refusal::OtherSequencer { loglet, owner: incarnation, asked: self.incarnation });
        }
        self.loglets.read().get(loglet)
    }

    fn serve_now(&self, loglet: &LogletParams) -> Result<(), Refusal> {
        let Ok(native) = NativeParams::decode(loglet) else {
            return Err(Refusal::Unsupported("this sequencer serves native loglets alone"));
        };
        if native.sequencer != self.incarnation {
            let (loglet, owner) = (loglet.id, native.sequencer);
            return Err(Refusal::OtherSequencer { loglet, owner, asked: self.incarnation });
        }
        let find = |id| self.units.unit(id).ok_or(Refusal::UnknownUnit(id));
        let units = native.units.iter().map(|u| find(*u)).collect::<Result<Vec<_>, _>>()?;
        let write_quorum = native.write_quorum.into();
        let make = || Fanout {
            loglet: loglet.id,
            incarnation: self.incarnation,
            state: Mutex::new(State {
                grants: Grants::new(units.len(), write_quorum, IN_FLIGHT_MAX),
                draining: false,
                storing: 0,
            }),
            units,
            order: Mutex::new(()),
        };
        self.loglets.write().serve(loglet.id, make)
    }
}

impl Sequencer for NativeSequencer {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn serve<'a>(&'a self, loglet: &'a LogletParams) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(self.serve_now(loglet)))
    }

    fn append(&self, loglet: LogletId, incarnation: Incarnation, batch: Vec<Cell>, done: Done) {
        match self.fanout(loglet, incarnation) {
            Ok(fanout) => fanout.append(batch, done),
            Err(refusal) => done.complete(Err(refusal.into())),
        }
    }

    fn grant(&self, _: LogletId, _: Incarnation, _: u32) -> BoxFuture<'_, Result<Offset, AppendError>> {
        let refusal = Refusal::Unsupported("the sequencer of a native loglet writes itself, its clients do not");
        Box::pin(std::future::ready(Err(refusal.into())))
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>> {
        let fanout = self.loglets.read().get(loglet);
        let tail = fanout.ok().map(|f| Tail::Open(f.state.lock().grants.known_tail()));
        Box::pin(std::future::ready(tail))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use naxos_proto::ids::{Boot, StorageId};

    use super::*;

    struct NoUnits;

    impl UnitDirectory for NoUnits {
        fn unit(&self, _: StorageId) -> Option<Arc<dyn StorageUnit>> {
            None
        }
    }

    #[test]
    fn rule_4_a_sequencer_serves_and_appends_for_its_own_incarnation_alone() {
        let own = Incarnation { storage: StorageId(1), boot: Boot(2) };
        let earlier = Incarnation { boot: Boot(1), ..own };
        let sequencer = NativeSequencer::new(own, Arc::new(NoUnits));
        let id = LogletId::default();
        let params = |sequencer| NativeParams { sequencer, units: vec![StorageId(1)], write_quorum: 1 }.encode(id);
        let other = Refusal::OtherSequencer { loglet: id, owner: earlier, asked: own };
        assert_eq!(sequencer.serve_now(&params(earlier)), Err(other.clone()));
        assert_eq!(sequencer.tail(id).now_or_never(), Some(None));
        assert_eq!(sequencer.fanout(id, earlier).err(), Some(other));
        assert_eq!(sequencer.fanout(id, own).err(), Some(Refusal::NotServed(id)));
    }
}
