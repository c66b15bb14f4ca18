//! The native loglet's sequencer: stores every batch to all units in parallel and acknowledges at a write quorum.
//!
//! Threads: `append` is called from many; answers arrive on the units' committer threads. Two locks: `order` keeps
//! grant and store in one sequence (it is held while the stores are queued, which never blocks), `state` holds the pure
//! rules. Completions run outside both, by whichever thread finds a settled batch first; one thread at a time, so that
//! acknowledgements come in order. An answer that arrives inside `store` itself is left to the appender.

use std::collections::BTreeMap;
use std::sync::Arc;

use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, Sequencer, StorageUnit, Store, UnitDirectory};
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use naxos_proto::tail::Tail;
use parking_lot::{Mutex, RwLock};

use crate::core::{Answer, Grants};

/// Batches in flight per loglet; over it appends are refused.
pub const IN_FLIGHT_MAX: usize = 4_096;
/// Loglets served at a time. One is active; a few more linger until their segments are dropped.
const LOGLETS_MAX: usize = 64;

type Done = Completion<Result<Offset, AppendError>>;

struct State {
    grants: Grants<Done>,
    /// A thread runs completions.
    draining: bool,
    /// Appends that are queueing stores right now.
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
        self.drain();
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
            let store = Store { loglet: self.loglet, incarnation: self.incarnation, at, cells, known_tail };
            let this = Arc::clone(self);
            target.store(store, Completion::new(move |result| this.answered(id, unit, Answer::of(result))));
        }
        self.state.lock().storing -= 1;
        None
    }

    fn answered(&self, id: u64, unit: usize, answer: Answer) {
        self.state.lock().grants.answer(id, unit, answer);
        self.drain();
    }

    /// Runs the completions of settled batches, in order, unless another thread does or an append is about to.
    fn drain(&self) {
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
                    // Nothing is queued that could carry it.
                    self.units.iter().for_each(|u| u.advance(self.loglet, known_tail));
                }
                return;
            };
            drop(state);
            settled.tag.complete(settled.outcome);
        }
    }
}

/// A sequencer's process: serves every native loglet that names its incarnation.
pub struct NativeSequencer {
    incarnation: Incarnation,
    units: Arc<dyn UnitDirectory>,
    loglets: RwLock<BTreeMap<LogletId, Arc<Fanout>>>,
}

impl NativeSequencer {
    /// A sequencer that serves nothing yet.
    pub fn new(incarnation: Incarnation, units: Arc<dyn UnitDirectory>) -> Self {
        Self { incarnation, units, loglets: RwLock::new(BTreeMap::new()) }
    }

    fn fanout(&self, loglet: LogletId, incarnation: Incarnation) -> Result<Arc<Fanout>, AppendError> {
        if incarnation != self.incarnation {
            let why = format!("loglet {loglet} belongs to sequencer {incarnation}, this is {}", self.incarnation);
            return Err(AppendError::Refused(why));
        }
        let found = self.loglets.read().get(&loglet).cloned();
        found.ok_or_else(|| AppendError::Refused(format!("the sequencer does not serve loglet {loglet} yet")))
    }
}

impl Sequencer for NativeSequencer {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn serve(&self, loglet: &LogletParams) -> Result<(), AppendError> {
        if loglet.sequencer != self.incarnation || loglet.kind != LogletKind::Native {
            let why = format!("loglet {} is not native or names sequencer {}", loglet.id, loglet.sequencer);
            return Err(AppendError::Refused(why));
        }
        let find = |id| {
            self.units.unit(id).ok_or_else(|| AppendError::Refused(format!("storage unit {id} is not known here")))
        };
        let units = loglet.units.iter().map(|u| find(*u)).collect::<Result<Vec<_>, _>>()?;
        let mut loglets = self.loglets.write();
        if loglets.contains_key(&loglet.id) {
            return Ok(());
        }
        let state = State {
            grants: Grants::new(units.len(), loglet.write_quorum.into(), IN_FLIGHT_MAX),
            draining: false,
            storing: 0,
        };
        let fanout = Fanout {
            loglet: loglet.id,
            incarnation: self.incarnation,
            units,
            order: Mutex::new(()),
            state: Mutex::new(state),
        };
        loglets.insert(loglet.id, Arc::new(fanout));
        while loglets.len() > LOGLETS_MAX {
            loglets.pop_first();
        }
        Ok(())
    }

    fn append(&self, loglet: LogletId, incarnation: Incarnation, batch: Vec<Cell>, done: Done) {
        match self.fanout(loglet, incarnation) {
            Ok(fanout) => fanout.append(batch, done),
            Err(why) => done.complete(Err(why)),
        }
    }

    fn grant(&self, loglet: LogletId, _: Incarnation, _: u32) -> Result<Offset, AppendError> {
        Err(AppendError::Refused(format!("loglet {loglet} is native: its sequencer writes, clients do not")))
    }

    fn tail(&self, loglet: LogletId) -> Option<Tail> {
        let fanout = self.loglets.read().get(&loglet).cloned()?;
        let known_tail = fanout.state.lock().grants.known_tail();
        Some(Tail::Open(known_tail))
    }
}

#[cfg(test)]
mod tests {
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
        let params =
            |sequencer| LogletParams { id, kind: LogletKind::Native, sequencer, units: Vec::new(), write_quorum: 1 };
        assert!(matches!(sequencer.serve(&params(earlier)), Err(AppendError::Refused(_))));
        assert_eq!(sequencer.tail(id), None);
        let other = sequencer.fanout(id, earlier).err().expect("refused").to_string();
        assert!(other.contains("belongs to sequencer"), "{other}");
        let unserved = sequencer.fanout(id, own).err().expect("refused").to_string();
        assert!(unserved.contains("does not serve"), "{unserved}");
    }
}
