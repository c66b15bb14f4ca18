//! [`Recorder`]: an applicator that records what another one does.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use bytes::Bytes;
use naxos::{Applicator, Refused, RowSpace, Rows};
use parking_lot::Mutex;

use crate::history::{Effect, History, shown};

/// Rows with the changes of one command above them, in the order in which they were made.
pub(crate) struct Recording<'a> {
    below: &'a dyn RowSpace,
    now: BTreeMap<Bytes, Option<Bytes>>,
    pub(crate) changes: Vec<(Bytes, Option<Bytes>)>,
}

impl<'a> Recording<'a> {
    pub(crate) fn over(below: &'a dyn RowSpace) -> Self {
        Self { below, now: BTreeMap::new(), changes: Vec::new() }
    }
}

impl RowSpace for Recording<'_> {
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.now.get(key).cloned().unwrap_or_else(|| self.below.get(key))
    }

    fn range(&self, from: &[u8], below: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        // Each row that was deleted may take the place of one that is asked for.
        let mut rows: BTreeMap<Bytes, Bytes> =
            self.below.range(from, below, limit.saturating_add(self.now.len())).into_iter().collect();
        let is_in = |key: &[u8]| key >= from && below.is_none_or(|below| key < below);
        for (key, value) in self.now.iter().filter(|(key, _)| is_in(key)) {
            rows.set(key, value.clone());
        }
        rows.into_iter().take(limit).collect()
    }

    fn set(&mut self, key: &[u8], value: Option<Bytes>) {
        let key = Bytes::copy_from_slice(key);
        self.changes.push((key.clone(), value.clone()));
        self.now.insert(key, value);
    }
}

impl Effect {
    pub(crate) fn of(answer: Result<Vec<u8>, Refused>, changes: Vec<(Bytes, Option<Bytes>)>) -> Self {
        Self { answer: answer.map_err(|refused| refused.0), changes }
    }
}

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
