//! The server's side of the stream of changes.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, poll};
use tonic::Streaming;

use crate::completion::Completion;
use crate::contracts::{Purpose, Shape, StorageUnit, Store, Stored, UnitError, UnitParams};
use crate::ids::{ChainVersion, Incarnation, LogId, LogletId, Offset};
use crate::peer::Home;
use crate::peer::generated as wire;
use crate::peer::limits::CELL_OVERHEAD_BYTES;
use crate::peer::outbox::{Reading, Slot};
use crate::peer::wire::{Garbage, Wire};
use wire::unit_answer::Answer;
use wire::unit_call::Call;

/// A call whose fields were checked.
enum Change {
    Store(Store),
    Open(LogletId, UnitParams),
    Fill(LogletId, Incarnation, Offset, Purpose),
    Seal(LogletId),
    Trim(LogletId, Offset),
    Tail(LogletId),
    Drop(LogletId),
    RaiseFloor(LogId, u64),
}

impl Change {
    fn from_wire(call: Call) -> Result<Self, Garbage> {
        Ok(match call {
            Call::Store(m) => Change::Store(Store::from_wire(m)?),
            Call::Open(m) => {
                let incarnation = Incarnation::required(m.incarnation, "the sequencer of a loglet")?;
                let params = UnitParams { shape: Shape::from_wire(m.shape)?, incarnation };
                Change::Open(LogletId::required(m.loglet, "the loglet to open")?, params)
            }
            Call::Fill(m) => Change::Fill(
                LogletId::required(m.loglet, "the loglet of a fill")?,
                Incarnation::required(m.incarnation, "the sequencer of a fill")?,
                Offset(m.at),
                match m.purpose.ok_or(Garbage("the purpose of a fill"))? {
                    wire::fill::Purpose::Append(known_tail) => Purpose::Append { known_tail: Offset(known_tail) },
                    wire::fill::Purpose::Repair(_) => Purpose::Repair,
                },
            ),
            Call::Seal(m) => Change::Seal(LogletId::from_wire(m)?),
            Call::Trim(m) => Change::Trim(LogletId::required(m.loglet, "the loglet to trim")?, Offset(m.up_to)),
            Call::Tail(m) => Change::Tail(LogletId::from_wire(m)?),
            Call::Drop(m) => Change::Drop(LogletId::from_wire(m)?),
            Call::RaiseFloor(m) => Change::RaiseFloor(LogId(m.log), m.ordinal),
        })
    }

    fn bytes(&self) -> usize {
        let cells = match self {
            Change::Store(store) => store.cells.as_slice(),
            _ => &[],
        };
        CELL_OVERHEAD_BYTES + cells.iter().map(|cell| cell.payload.len() + CELL_OVERHEAD_BYTES).sum::<usize>()
    }
}

/// A frame whose fields were checked.
struct Frame {
    chain: ChainVersion,
    advances: Vec<(LogletId, Offset)>,
    changes: Vec<(u64, Change)>,
}

/// Checks all of a frame before any of it is carried out.
fn check(frame: wire::UnitCalls) -> Result<Frame, Garbage> {
    let advance =
        |m: wire::Advance| Ok((LogletId::required(m.loglet, "the loglet of a known tail")?, Offset(m.known_tail)));
    let change = |m: wire::UnitCall| Ok((m.number, Change::from_wire(m.call.ok_or(Garbage("the kind of a call"))?)?));
    Ok(Frame {
        chain: ChainVersion(frame.chain),
        advances: frame.advances.into_iter().map(advance).collect::<Result<_, Garbage>>()?,
        changes: frame.calls.into_iter().map(change).collect::<Result<_, Garbage>>()?,
    })
}

/// An answer, or the error in its place.
fn answer<T>(outcome: Result<T, UnitError>, answer: impl FnOnce(T) -> Answer) -> Answer {
    match outcome {
        Ok(value) => answer(value),
        Err(error) => Answer::Error(error.to_wire()),
    }
}

/// Carries out a change that the unit answers by a future.
fn carry_out(unit: Arc<dyn StorageUnit>, change: Change, slot: Slot<Answer>) -> BoxFuture<'static, ()> {
    let done = |()| Answer::Done(wire::Nothing {});
    Box::pin(async move {
        let outcome = match change {
            Change::Store(store) => {
                let (completion, stored) = Completion::channel();
                unit.store(store, completion);
                answer(stored.await, |stored: Stored| Answer::Stored(stored.to_wire()))
            }
            Change::Open(loglet, params) => answer(unit.open(loglet, params).await, done),
            Change::Fill(loglet, incarnation, at, purpose) => {
                let filled = unit.fill(loglet, incarnation, at, purpose).await;
                answer(filled, |stored: Stored| Answer::Stored(stored.to_wire()))
            }
            Change::Seal(loglet) => answer(unit.seal(loglet).await, |tail| Answer::Tail(tail.to_wire())),
            Change::Trim(loglet, up_to) => answer(unit.trim(loglet, up_to).await, done),
            Change::Tail(loglet) => answer(unit.tail(loglet).await, |tail| Answer::Tail(tail.to_wire())),
            Change::Drop(loglet) => answer(unit.drop_loglet(loglet).await, done),
            Change::RaiseFloor(log, ordinal) => answer(unit.raise_floor(log, ordinal).await, done),
        };
        slot.answer(outcome);
    })
}

/// The changes that the unit has begun and answers by futures.
type Begun = FuturesUnordered<BoxFuture<'static, ()>>;

/// Waits for `event` and drives `begun` meanwhile.
async fn beside<T>(begun: &mut Begun, event: impl Future<Output = T>) -> T {
    tokio::pin!(event);
    loop {
        tokio::select! {
            biased;
            happened = &mut event => return happened,
            Some(()) = begun.next() => {}
        }
    }
}

/// Hands `change` to the unit before it returns, so that the order of the calls is kept.
async fn begin(unit: &Arc<dyn StorageUnit>, change: Change, slot: Slot<Answer>, begun: &mut Begun) {
    match change {
        // The outcome goes from the committer's thread straight into the outbox.
        Change::Store(store) => {
            let done = move |outcome| slot.answer(answer(outcome, |stored: Stored| Answer::Stored(stored.to_wire())));
            unit.store(store, Completion::new(done));
        }
        change => {
            let mut call = carry_out(Arc::clone(unit), change, slot);
            // A unit takes a change when its future is polled for the first time, or before that.
            if poll!(&mut call).is_pending() {
                begun.push(call);
            }
        }
    }
}

/// Reads the calls of one stream until it ends, and hands them to the unit in their order. If the future is dropped
/// before it was polled for the first time, `reading` ends the stream.
pub(super) async fn serve(
    home: Home,
    unit: Arc<dyn StorageUnit>,
    mut calls: Streaming<wire::UnitCalls>,
    reading: Reading<Answer>,
) {
    let outbox = &reading.0;
    let mut begun = Begun::new();
    while let Ok(Some(frame)) = beside(&mut begun, calls.message()).await {
        let frame = match check(frame) {
            Ok(frame) => frame,
            Err(garbage) => {
                outbox.fail(garbage.into());
                break;
            }
        };
        home.news.hear(frame.chain);
        for (loglet, known_tail) in frame.advances {
            unit.advance(loglet, known_tail);
        }
        for (number, change) in frame.changes {
            let Some(slot) = beside(&mut begun, outbox.admit(number, change.bytes())).await else { return };
            begin(&unit, change, slot, &mut begun).await;
        }
    }
    // What was begun is carried out, but a caller that is gone needs no answer.
    tokio::select! {
        biased;
        () = outbox.abandoned() => {}
        () = async { while begun.next().await.is_some() {} } => {}
    }
}
