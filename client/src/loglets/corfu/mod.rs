//! The Corfu loglet (CORFU, NSDI'12; TOCS'13, section 3). The sequencer gives out offsets and stores nothing. Each client
//! writes its cells itself: to one unit of the loglet after the other, in the order in which the parameters name the
//! units. This order is called the chain of units. `docs/protocol.md` shows why this is safe.
//!
//! 1. The first unit decides which value an offset has, because it writes each cell only once. A client passes on to the
//!    second unit only what the first unit holds, and so on along the chain. So all copies of a cell are equal. Junk is a
//!    value like any other.
//! 2. The last unit does not accept a gap; the other units do. So when the last unit has a cell, every unit has that cell
//!    and everything below it. Then the append is acknowledged. The tail of the last unit is the tail of the loglet.
//! 3. If a unit is sealed and already holds a cell, a client does not pass that cell on to the next unit, because the cell
//!    may have come to the sealed unit by a repair.
//! 4. One sealed unit ends the loglet, because nothing new is passed on beyond it. Every acknowledged append is on every
//!    unit. So all acknowledged appends lie below the first offset that a unit lacks, whichever unit it is.
//!
//! One procedure per file:
//!
//! - `writer` takes the appends of this process to one loglet and keeps their order; `writers` runs all writers of a
//!   process
//! - `place` gets an offset for an append and puts the append on the first unit
//! - `pass` passes cells on along the chain
//! - `holes` settles offsets that nobody writes
//! - `secure_end` makes copies of the cells that too few units hold after a seal
//! - `find_tail`, `seal`, `trim`, `open` and `listen` do what their names say
//! - `unit_chain` is the state that they share, `seal_found` a part of it; `rest` makes the pauses between failed attempts
//! - `provider` opens Corfu loglets and creates them
//!
//! Reads, copies and other procedures that are the same for every kind of loglet are in `copies`.

mod find_tail;
mod holes;
mod listen;
mod open;
mod pass;
mod place;
mod provider;
mod rest;
mod seal;
mod seal_found;
mod secure_end;
mod trim;
mod unit_chain;
mod writer;
mod writers;

use std::ops::Range;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use naxos_proto::chain::LogletParams;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, CellState, Followed, UnitDirectory};
use naxos_proto::ids::{Offset, StorageId, StreamId};
use naxos_proto::streams::StreamTails;
use naxos_proto::tail::Tail;

pub use self::provider::CorfuProvider;
use self::unit_chain::UnitChain;
use self::writer::Writer;
use crate::loglet::{Liveness, Loglet, LogletError};

/// One Corfu loglet.
struct CorfuLoglet {
    params: LogletParams,
    chain: Arc<UnitChain>,
    writer: Arc<Writer>,
    directory: Arc<dyn UnitDirectory>,
}

impl Loglet for CorfuLoglet {
    fn params(&self) -> &LogletParams {
        &self.params
    }

    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Offset, AppendError>>) {
        self.writer.append(batch, done);
    }

    fn listen(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.chain.listen_to_last())
    }

    fn retire(&self, end: Option<Offset>) {
        self.chain.end(end);
    }

    fn stream_tails<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<StreamTails, LogletError>> {
        Box::pin(self.chain.stream_tails(streams))
    }

    fn check_tail(&self) -> BoxFuture<'_, Result<Tail, LogletError>> {
        Box::pin(self.chain.find_tail())
    }

    fn check_tail_now(&self) -> Option<Tail> {
        self.chain.find_tail_now()
    }

    fn read(&self, range: Range<Offset>, max_bytes: usize) -> BoxFuture<'_, Result<Vec<CellState>, LogletError>> {
        // Below the tail of an open loglet every unit has every cell. Below the end of a sealed one a unit may lack
        // some. These are read from the other units.
        Box::pin(self.chain.copies.read_cells(range, max_bytes))
    }

    fn follow(self: Arc<Self>, from: Offset) -> BoxStream<'static, Result<Followed, LogletError>> {
        Arc::clone(&self.chain.copies).follow(from)
    }

    fn seal(&self) -> BoxFuture<'_, Result<Offset, LogletError>> {
        Box::pin(self.chain.seal_units())
    }

    fn secure_end<'a>(&'a self, end: Offset, alive: &'a Liveness) -> BoxFuture<'a, Result<LogletParams, LogletError>> {
        Box::pin(self.chain.secure_end(&self.params, end, alive, &*self.directory))
    }

    fn replicate(&self, below: Offset, has_ended: bool) -> BoxFuture<'_, Result<u64, LogletError>> {
        Box::pin(self.chain.copies.replicate_cells(below, has_ended))
    }

    fn lacking(&self, below: Offset) -> BoxFuture<'_, Vec<(StorageId, Option<u64>)>> {
        Box::pin(self.chain.copies.lacking(below))
    }

    fn trim_point(&self) -> BoxFuture<'_, Offset> {
        Box::pin(self.chain.copies.trim_point())
    }

    fn trim(&self, up_to: Offset) -> BoxFuture<'_, Result<(), LogletError>> {
        Box::pin(self.chain.trim_units(up_to))
    }

    fn discard(&self) -> BoxFuture<'_, Result<(), LogletError>> {
        Box::pin(self.chain.copies.drop_from_units(0))
    }
}
