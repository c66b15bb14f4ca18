//! [`History`]: what the state machine did on all nodes, what the clients were told, and the rules for both.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use naxos::{Applicator, Applied, Lsn, RowSpace, Rows};

use crate::effect::Effect;
use crate::recording::Recording;

/// The rows of a state machine.
pub(crate) type AllRows = BTreeMap<Bytes, Bytes>;

/// A command at its position.
struct Command {
    bytes: Bytes,
    /// The node that was the first to apply it.
    node: &'static str,
    effect: Effect,
}

/// A call that was acknowledged.
struct Call {
    command: Bytes,
    began: Duration,
    ended: Duration,
    applied: Applied,
}

/// See the module.
#[derive(Default)]
pub(crate) struct History {
    applied: BTreeMap<(Lsn, u32), Command>,
    proposed: BTreeMap<Bytes, usize>,
    calls: Vec<Call>,
    /// Answers after which it is unknown whether the command was done, and calls that had no answer.
    pub(crate) unknown: usize,
    broken: Option<String>,
}

/// Bytes as a text for people.
pub(crate) fn shown(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

fn described(effect: &Effect) -> String {
    let mut text = match &effect.answer {
        Ok(answer) => format!("answers {}", shown(answer)),
        Err(why) => format!("refuses it: {why:?}"),
    };
    for (key, value) in &effect.changes {
        let _ = match value {
            Some(value) => write!(text, ", puts {} = {}", shown(key), shown(value)),
            None => write!(text, ", deletes {}", shown(key)),
        };
    }
    text
}

impl History {
    /// Notes a broken rule. The first one counts.
    pub(crate) fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// The rule that was broken first.
    pub(crate) fn broken(&self) -> Option<&String> {
        self.broken.as_ref()
    }

    /// A node has applied a command. Rule 1 of the crate.
    pub(crate) fn applied(&mut self, node: &'static str, at: (Lsn, u32), command: &[u8], effect: Effect) {
        let Some(first) = self.applied.get(&at) else {
            let bytes = Bytes::copy_from_slice(command);
            self.applied.insert(at, Command { bytes, node, effect });
            return;
        };
        if first.effect != effect {
            let what = format!(
                "the state machine is not deterministic. The command {} at position {}.{}\n  first, on node {}: {}\n  \
                 then, on node {node}: {}\nIt must depend on nothing but its rows and the command. Look for a clock, random \
                 numbers, a HashMap or HashSet that is iterated, and state outside of the rows.",
                shown(command),
                at.0,
                at.1,
                first.node,
                described(&first.effect),
                described(&effect),
            );
            self.breaks(what);
        }
    }

    /// A client proposes a command.
    pub(crate) fn proposes(&mut self, command: &[u8]) {
        *self.proposed.entry(Bytes::copy_from_slice(command)).or_default() += 1;
    }

    /// A client was told that its command is applied.
    pub(crate) fn acknowledged(&mut self, command: &[u8], began: Duration, ended: Duration, applied: Applied) {
        self.calls.push(Call { command: Bytes::copy_from_slice(command), began, ended, applied });
    }

    /// How many commands were acknowledged.
    pub(crate) fn acknowledged_count(&self) -> usize {
        self.calls.len()
    }

    /// Rule 2 of the crate.
    pub(crate) fn check_calls(&mut self) -> Result<(), String> {
        let mut applied: BTreeMap<&Bytes, usize> = BTreeMap::new();
        for command in self.applied.values() {
            *applied.entry(&command.bytes).or_default() += 1;
        }
        for (command, times) in applied {
            let proposed = self.proposed.get(command).copied().unwrap_or_default();
            if times > proposed {
                return Err(format!(
                    "the command {} was proposed {proposed} times and applied {times} times",
                    shown(command)
                ));
            }
        }
        for call in &self.calls {
            let at = call.applied.position;
            let mut there = self.applied.range((at, 0)..=(at, u32::MAX));
            let is_there = there.any(|(_, found)| {
                found.bytes == call.command && found.effect.answer.as_deref() == Ok(&call.applied.answer[..])
            });
            if !is_there {
                return Err(format!(
                    "the command {} was acknowledged with the answer {} at position {at}, but the log does not have it \
                     there with this answer",
                    shown(&call.command),
                    shown(&call.applied.answer)
                ));
            }
        }
        self.calls.sort_by_key(|call| call.began);
        let mut ended: Vec<&Call> = self.calls.iter().collect();
        ended.sort_by_key(|call| call.ended);
        let (mut ended, mut last) = (ended.into_iter().peekable(), None::<&Call>);
        for call in &self.calls {
            while let Some(earlier) = ended.next_if(|earlier| earlier.ended < call.began) {
                last = last.filter(|last| last.applied.position >= earlier.applied.position).or(Some(earlier));
            }
            if let Some(earlier) = last.filter(|last| last.applied.position >= call.applied.position) {
                return Err(format!(
                    "the command {} was proposed after {} was acknowledged, but is not after it in the log ({} and {})",
                    shown(&call.command),
                    shown(&earlier.command),
                    call.applied.position,
                    earlier.applied.position
                ));
            }
        }
        Ok(())
    }

    /// The rows that the commands give when they are applied once more, in their order and without a node. Also checks
    /// rule 1: each command must do here what it did on the nodes.
    pub(crate) fn replay(&mut self, applicator: &dyn Applicator) -> AllRows {
        let mut rows = AllRows::new();
        let commands: Vec<_> = self.applied.iter().map(|(at, command)| (*at, command.bytes.clone())).collect();
        for (at, command) in commands {
            let mut recording = Recording::over(&rows);
            let answer = applicator.apply(&mut Rows::new(&mut recording, at.0, at.1), &command);
            let changes = recording.changes;
            if answer.is_ok() {
                changes.iter().for_each(|(key, value)| rows.set(key, value.clone()));
            }
            self.applied("none (applied once more at the end)", at, &command, Effect::of(answer, changes));
        }
        rows
    }

    /// The first row in which two states differ, for people.
    pub(crate) fn difference(expected: &AllRows, found: &AllRows) -> Option<String> {
        let keys = expected.keys().chain(found.keys());
        let key = keys.filter(|key| expected.get(*key) != found.get(*key)).min()?;
        let value = |rows: &AllRows| rows.get(key).map_or_else(|| "no value".to_owned(), |value| shown(value));
        Some(format!("row {}: expected {}, found {}", shown(key), value(expected), value(found)))
    }
}
