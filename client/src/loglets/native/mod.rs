//! The client side of the native loglet (Delos, OSDI'20, section 4.2.1, with the erratum of 2025). Appends go to the
//! loglet's one sequencer; tail checks, seals and reads go directly to the storage units.
//!
//! One procedure per file:
//!
//! - `open`, `append`, `listen`, `find_tail`, `seal` with its `repair`, and `trim` do what their names say
//! - `quorums` says how many units have to answer
//! - `told_tails` finds out from the tails of the units which cells are on a write quorum
//! - `direct` acknowledges appends of this process whose cells are on a write quorum
//! - `provider` opens native loglets and creates them
//!
//! Reads, copies and other procedures that are the same for every kind of loglet are in `copies`.

mod append;
mod direct;
mod find_tail;
mod listen;
mod open;
mod provider;
mod quorums;
mod repair;
mod seal;
mod told_tails;
mod trim;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use naxos_proto::chain::LogletParams;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    AppendError, Cell, CellState, Followed, Sequencer, SequencerDirectory, Shape, UnitParams,
};
use naxos_proto::ids::{Offset, StorageId, StreamId};
use naxos_proto::native_params::NativeParams;
use naxos_proto::streams::StreamTails;
use naxos_proto::tail::Tail;

use self::direct::Direct;
pub use self::provider::NativeProvider;
use self::quorums::Quorums;
use super::copies::Copies;
use super::stream_tails::stream_tails;
use crate::loglet::{Loglet, LogletError};

/// One native loglet.
struct NativeLoglet {
    params: LogletParams,
    native: NativeParams,
    sequencers: Arc<dyn SequencerDirectory>,
    /// The loglet's sequencer, set by the first append that finds it. Reads and seals do not need it.
    sequencer: OnceLock<Arc<dyn Sequencer>>,
    /// The storage units, in the order of `native.units`.
    copies: Arc<Copies>,
    /// The appends of this process, if it follows the units' tails for them. `None` if the sequencer is on this node,
    /// because the sequencer hears the answers of the units itself. Also `None` if the loglet has only one unit.
    direct: Option<Arc<Direct>>,
}

impl NativeLoglet {
    fn quorums(&self) -> Quorums {
        Quorums::new(self.native.units.len(), self.native.write_quorum.into())
    }

    /// The parameters of the loglet on each of its units.
    fn on_unit(&self) -> UnitParams {
        UnitParams { shape: Shape::Contiguous, incarnation: self.native.sequencer }
    }
}

impl Loglet for NativeLoglet {
    fn params(&self) -> &LogletParams {
        &self.params
    }

    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Offset, AppendError>>) {
        self.append_batch(batch, done);
    }

    fn listen(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.listen_to_units())
    }

    fn retire(&self, _: Option<Offset>) {
        if let Some(direct) = &self.direct {
            direct.retire();
        }
    }

    fn stream_tails<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<StreamTails, LogletError>> {
        let owner = self.native.sequencer;
        Box::pin(stream_tails(self.sequencer(owner), owner, self.params.id, streams))
    }

    fn check_tail(&self) -> BoxFuture<'_, Result<Tail, LogletError>> {
        Box::pin(self.find_tail())
    }

    fn check_tail_now(&self) -> Option<Tail> {
        self.find_tail_now()
    }

    fn read(&self, range: Range<Offset>, max_bytes: usize) -> BoxFuture<'_, Result<Vec<CellState>, LogletError>> {
        Box::pin(self.copies.read_cells(range, max_bytes))
    }

    fn follow(self: Arc<Self>, from: Offset) -> BoxStream<'static, Result<Followed, LogletError>> {
        Arc::clone(&self.copies).follow(from)
    }

    fn seal(&self) -> BoxFuture<'_, Result<Offset, LogletError>> {
        Box::pin(self.seal_units())
    }

    fn replicate(&self, below: Offset, has_ended: bool) -> BoxFuture<'_, Result<u64, LogletError>> {
        Box::pin(self.copies.replicate_cells(below, has_ended))
    }

    fn lacking(&self, below: Offset) -> BoxFuture<'_, Vec<(StorageId, Option<u64>)>> {
        Box::pin(self.copies.lacking(below))
    }

    fn trim_point(&self) -> BoxFuture<'_, Offset> {
        Box::pin(self.copies.trim_point())
    }

    fn trim(&self, up_to: Offset) -> BoxFuture<'_, Result<(), LogletError>> {
        Box::pin(self.trim_units(up_to))
    }

    fn discard(&self) -> BoxFuture<'_, Result<(), LogletError>> {
        Box::pin(self.copies.drop_from_units(self.quorums().write()))
    }
}
