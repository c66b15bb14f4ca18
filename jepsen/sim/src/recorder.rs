//! [`Recorder`]: an applicator that records what another one does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use naxos::{Applicator, Refused, RowSpace, Rows};
use parking_lot::Mutex;

use crate::effect::Effect;
use crate::history::{History, shown};
use crate::recording::Recording;

/// See the module.
pub(crate) struct Recorder {
    pub(crate) inner: Box<dyn Applicator>,
    pub(crate) node: &'static str,
    pub(crate) history: Arc<Mutex<History>>,
}

impl Recorder {
    /// Notes the panic, and lets it go on.
    fn panicked(&self, panic: Box<dyn Any + Send>, command: &[u8]) -> ! {
        let what = format!(
            "the state machine panics on node {}, at the command {}: {}",
            self.node,
            shown(command),
            text_of(&*panic)
        );
        self.history.lock().breaks(what);
        resume_unwind(panic)
    }
}

/// The text of a panic.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("see above")
}

impl Applicator for Recorder {
    fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
        let (position, index) = rows.at();
        let (answer, changes) = {
            let mut recording = Recording::over(rows);
            let applies = || self.inner.apply(&mut Rows::new(&mut recording, position, index), command);
            let answer = catch_unwind(AssertUnwindSafe(applies)).unwrap_or_else(|panic| self.panicked(panic, command));
            (answer, recording.changes)
        };
        changes.iter().for_each(|(key, value)| rows.set(key, value.clone()));
        let effect = Effect::of(answer.clone(), changes);
        self.history.lock().applied(self.node, (position, index), command, effect);
        answer
    }
}
