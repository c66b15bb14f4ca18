//! Base's header: the process that proposed the entry, the time of the proposal, and a command for Base itself if the
//! entry has one.
//!
//! Layout, little-endian: version u8 = 1, kind u8, storage id u64, boot u64, wall time u64 (ns). The command follows,
//! by kind:
//!
//! - 0 (no command): nothing
//! - 1 (genesis): log id u64, cluster version u32, number of engines u16, and for each engine its id u16
//! - 2 (switch): engine id u16, on u8 (0 or 1)

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::{Boot, EngineId, Incarnation, LogId, Lsn, StorageId, StoreId};
use naxos_proto::seams::WallTime;

use crate::engine::EngineSwitch;
use crate::local_store::{RowKey, StoreReader, TableId, Txn, tables};

const HEADER_FORMAT: u8 = 1;

/// The content of entry 0 of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The id of the log.
    pub log: LogId,
    /// The cluster version with which the log begins. The application raises it later.
    pub cluster_version: u32,
    /// The engines that are enabled from the start, ascending.
    pub engines: Vec<EngineId>,
}

impl Genesis {
    fn row(&self) -> (RowKey, Bytes) {
        let mut row = BytesMut::new();
        row.put_u64_le(self.log.0);
        row.put_u32_le(self.cluster_version);
        (RowKey::new(StoreId(0), tables::CLUSTER, b"genesis"), row.freeze())
    }

    /// The rows that an empty store has after this genesis at position 0, in the order of their names.
    pub fn rows(&self) -> Vec<(RowKey, Bytes)> {
        let engines = self.engines.iter().map(|engine| (switch_row(*engine), switch_value(true, Lsn::ZERO)));
        engines.chain([self.row()]).collect()
    }
}

/// What an entry asks Base itself to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Nothing: the entry is passed to the engine above.
    None,
    /// Store the log's id and the cluster version, and turn on the named engines. A second genesis is ignored.
    Genesis(Genesis),
    /// Turn an engine on (true) or off (false), from the next position on.
    Switch(EngineId, bool),
}

/// Base's header; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The process that proposed the entry.
    pub proposer: Incarnation,
    /// The time of the proposal by that process's clock. Apply does not read it (safety rule 9). It is written so that
    /// the state of a given time can be restored one day.
    pub wall: WallTime,
    /// What the entry asks of Base.
    pub control: Control,
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(26);
        out.put_u8(HEADER_FORMAT);
        out.put_u8(match self.control {
            Control::None => 0,
            Control::Genesis(_) => 1,
            Control::Switch(..) => 2,
        });
        out.put_u64_le(self.proposer.storage.0);
        out.put_u64_le(self.proposer.boot.0);
        out.put_u64_le(self.wall.0);
        match &self.control {
            Control::None => {}
            Control::Genesis(g) => {
                out.put_u64_le(g.log.0);
                out.put_u32_le(g.cluster_version);
                out.put_u16_le(u16::try_from(g.engines.len()).expect("there are few engines"));
                g.engines.iter().for_each(|e| out.put_u16_le(e.0));
            }
            Control::Switch(engine, on) => {
                out.put_u16_le(engine.0);
                out.put_u8((*on).into());
            }
        }
        out.freeze()
    }

    /// Decodes the bytes of [`Self::encode`].
    pub fn decode(bytes: Bytes) -> Result<Header, DecodeError> {
        let mut r = Reader::new(bytes, "base header");
        r.version(HEADER_FORMAT)?;
        let kind = r.u8()?;
        let proposer = Incarnation { storage: StorageId(r.u64()?), boot: Boot(r.u64()?) };
        let wall = WallTime(r.u64()?);
        let control = match kind {
            0 => Control::None,
            1 => {
                let log = LogId(r.u64()?);
                let cluster_version = r.u32()?;
                let engines = (0..r.u16()?).map(|_| r.u16().map(EngineId)).collect::<Result<_, _>>()?;
                Control::Genesis(Genesis { log, cluster_version, engines })
            }
            2 => Control::Switch(EngineId(r.u16()?), r.u8()? != 0),
            _ => return Err(r.rule("names a kind that this build does not know")),
        };
        r.end()?;
        Ok(Header { proposer, wall, control })
    }
}

fn switch_row(engine: EngineId) -> RowKey {
    RowKey::new(StoreId(0), tables::ENGINES, &engine.0.to_be_bytes())
}

/// The value of an engine's row: whether it is on, and since which position.
fn switch_value(on: bool, since: Lsn) -> Bytes {
    let mut out = BytesMut::with_capacity(9);
    out.put_u8(on.into());
    out.put_u64_le(since.0);
    out.freeze()
}

/// Decodes the bytes of [`switch_value`].
fn read_switch(value: Bytes) -> Result<(bool, Lsn), DecodeError> {
    let mut r = Reader::new(value, "engine's row");
    let state = (r.u8()? != 0, Lsn(r.u64()?));
    r.end()?;
    Ok(state)
}

/// An engine that is on, and that this binary does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("engine {0} is on, which this release does not have: install one that has it")]
pub struct UnknownEngine(pub EngineId);

/// Calls `each` with each engine in the store, whether it is on, and since which position. Panics on a row that cannot be read.
fn each_switch(reader: &StoreReader, mut each: impl FnMut(EngineId, bool, Lsn)) {
    let from = RowKey::new(StoreId(0), tables::ENGINES, b"");
    let below = RowKey::new(StoreId(0), TableId(tables::ENGINES.0 + 1), b"");
    reader.stream(&from, &below, |key, value| {
        let Ok(id) = <[u8; 2]>::try_from(&key.key[..]) else { panic!("a row of the engines is damaged") };
        let engine = EngineId(u16::from_be_bytes(id));
        let (on, since) =
            read_switch(Bytes::copy_from_slice(value)).unwrap_or_else(|e| panic!("the row of engine {engine}: {e}"));
        each(engine, on, since);
    });
}

/// Refuses a store in which an engine is on that is not among `known`: what it writes cannot be read. Panics on a row that
/// cannot be read.
pub(crate) fn check_engines(
    reader: &StoreReader,
    known: &BTreeMap<EngineId, EngineSwitch>,
) -> Result<(), UnknownEngine> {
    let mut unknown = None;
    each_switch(reader, |engine, on, _| {
        if on && !known.contains_key(&engine) {
            unknown = unknown.or(Some(UnknownEngine(engine)));
        }
    });
    unknown.map_or(Ok(()), Err)
}

/// Reads the switches from the store. Panics on a row that cannot be read.
pub(crate) fn load_switches(reader: &StoreReader, switches: &BTreeMap<EngineId, EngineSwitch>) {
    switches.values().for_each(|switch| switch.turn(false, Lsn::ZERO));
    each_switch(reader, |engine, on, since| {
        if let Some(switch) = switches.get(&engine) {
            switch.turn(on, since);
        }
    });
}

/// Applies the control entry at `lsn`. A switch is turned before the commit, because a caller that waits for this
/// position looks at the switch right after the commit. If the engine is in the wanted state already, its row and its
/// switch keep the position of the earlier command. Panics on an engine that this binary does not have: the node must
/// not go on past such a position.
pub(super) fn apply_control(txn: &mut Txn<'_>, lsn: Lsn, control: &Control, known: &BTreeMap<EngineId, EngineSwitch>) {
    let turn = |txn: &mut Txn<'_>, engine: EngineId, on: bool| {
        let switch = known.get(&engine).unwrap_or_else(|| {
            panic!("the log switches engine {engine}, which this release does not have: install one that has it")
        });
        if switch.is_on() != on {
            txn.put(switch_row(engine), switch_value(on, lsn));
            switch.turn(on, lsn);
        }
    };
    match control {
        Control::None => {}
        Control::Genesis(genesis) => {
            let (name, row) = genesis.row();
            if txn.get(&name).is_some() {
                tracing::warn!(lsn = lsn.0, "the log holds another genesis entry: it is ignored, a log begins once");
                return;
            }
            txn.put(name, row);
            genesis.engines.iter().for_each(|e| turn(txn, *e, true));
        }
        Control::Switch(engine, on) => turn(txn, *engine, *on),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;

    use super::*;
    use tokio_util::sync::CancellationToken;

    use crate::local_store::LocalStore;

    #[test]
    fn rows_of_engines_round_trip() {
        for state in [(true, Lsn(0)), (false, Lsn(u64::MAX))] {
            assert_eq!(read_switch(switch_value(state.0, state.1)).unwrap(), state);
        }
        for bad in [&[][..], &[1], &[1, 0], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(read_switch(Bytes::from_static(bad)).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn the_rows_of_a_genesis_are_those_that_apply_writes() {
        let mut store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.unwrap();
        let known = BTreeMap::from([2, 3].map(|id| (EngineId(id), EngineSwitch::default())));
        let genesis = Genesis { log: LogId(3), cluster_version: 1, engines: known.keys().copied().collect() };
        let mut txn = store.begin();
        apply_control(&mut txn, Lsn::ZERO, &Control::Genesis(genesis.clone()), &known);
        txn.commit(Lsn(1));
        let (from, below) =
            (RowKey::new(StoreId(0), tables::ENGINES, b""), RowKey::new(StoreId(1), tables::ENGINES, b""));
        assert_eq!(store.reader().scan(&from, &below, 100), genesis.rows());
    }

    #[tokio::test]
    async fn a_store_in_which_an_unknown_engine_is_on_is_refused() {
        let switches = |ids: &[u16]| -> BTreeMap<EngineId, EngineSwitch> {
            ids.iter().map(|id| (EngineId(*id), EngineSwitch::default())).collect()
        };
        for on in [true, false] {
            let (drive, newer) = (Drive::new(1), switches(&[2, 900]));
            let mut store = LocalStore::open(drive.mount(), Arc::new(BootClock)).await.unwrap();
            for (at, on) in [(0, true), (1, on)] {
                let mut txn = store.begin();
                apply_control(&mut txn, Lsn(at), &Control::Switch(EngineId(900), on), &newer);
                txn.commit(Lsn(at + 1));
            }
            let (checkpointer, stop) = (store.checkpointer(0), CancellationToken::new());
            stop.cancel();
            checkpointer.run(stop, |_| ()).await.unwrap();
            drop(store);
            let reader = LocalStore::open(drive.mount(), Arc::new(BootClock)).await.unwrap().reader();
            assert_eq!(check_engines(&reader, &newer), Ok(()));
            let refused = Err(UnknownEngine(EngineId(900)));
            assert_eq!(check_engines(&reader, &switches(&[2])), if on { refused } else { Ok(()) });
            load_switches(&reader, &newer);
            assert_eq!(newer[&EngineId(900)].is_on(), on);
        }
    }

    #[tokio::test]
    async fn a_second_genesis_entry_changes_nothing() {
        let mut store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.unwrap();
        let switch = EngineSwitch::default();
        let known = BTreeMap::from([(EngineId(2), switch.clone())]);
        let genesis = |log, cluster_version| {
            Control::Genesis(Genesis { log: LogId(log), cluster_version, engines: vec![EngineId(2)] })
        };
        let mut apply = |at: u64, control: &Control| {
            let mut txn = store.begin();
            apply_control(&mut txn, Lsn(at), control, &known);
            let row = txn.get(&RowKey::new(StoreId(0), tables::CLUSTER, b"genesis"));
            txn.commit(Lsn(at + 1));
            (row, switch.is_on())
        };
        let first = apply(0, &genesis(3, 1));
        assert!(first.1, "the genesis turns its engines on");
        apply(1, &Control::Switch(EngineId(2), false));
        assert_eq!(apply(2, &genesis(4, 9)), (first.0, false));
    }

    #[test]
    fn headers_round_trip() {
        let proposer = Incarnation { storage: StorageId(1), boot: Boot(2) };
        let genesis = Genesis { log: LogId(3), cluster_version: 4, engines: vec![EngineId(2), EngineId(4)] };
        for control in [Control::None, Control::Genesis(genesis), Control::Switch(EngineId(3), true)] {
            let header = Header { proposer, wall: WallTime(9), control };
            assert_eq!(Header::decode(header.encode()).unwrap(), header);
        }
    }
}
