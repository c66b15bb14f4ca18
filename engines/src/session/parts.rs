//! Makes the two halves of the engine.

use std::sync::Arc;

use naxos_proto::ids::Incarnation;
use naxos_proto::seams::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::lower::Session;
use super::state::load;
use super::upper::SessionApply;
use super::window::{Shared, Window};
use crate::engine::{Engine, EngineSwitch};
use crate::local_store::StoreReader;

/// Makes the two halves. The lower half is made later, when `below` exists.
pub struct SessionParts {
    shared: Arc<Shared>,
    switch: EngineSwitch,
}

impl SessionParts {
    /// The parts for the process whose session is `session`.
    pub fn new(session: Incarnation, switch: EngineSwitch) -> Self {
        let shared = Shared { session, window: Mutex::new(Window::default()), unknown_added: Notify::new() };
        Self { shared: Arc::new(shared), switch }
    }

    /// The upper half, below `up`, with the sessions read from the store.
    pub fn upper<A>(&self, up: A, reader: &StoreReader) -> SessionApply<A> {
        SessionApply { up, shared: Arc::clone(&self.shared), sessions: load(reader) }
    }

    /// The lower half.
    pub fn lower(self, below: Arc<dyn Engine>, clock: Arc<dyn Clock>) -> Arc<Session> {
        Arc::new(Session { below, switch: self.switch, shared: self.shared, clock })
    }
}
