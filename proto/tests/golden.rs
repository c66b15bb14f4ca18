//! The bytes of formats that outlive a process (`docs/formats.md`) must not change by accident. `NAXOS_BLESS=1` writes
//! the golden files again; use it only together with a new format version.

use std::fs;
use std::path::Path;

use naxos_proto::chain::{Chain, LogletKind, LogletParams, Segment};
use naxos_proto::corfu_params::CorfuParams;
use naxos_proto::ids::{Boot, Incarnation, LogId, LogletId, Lsn, StorageId};
use naxos_proto::native_params::NativeParams;

/// A chain with a memory segment, a native segment and a segment of an unknown kind.
fn chain() -> Chain {
    let id = |ordinal| LogletId { log: LogId(7), ordinal, nonce: 0x0123_4567_89ab_cdef + ordinal };
    let native = NativeParams {
        sequencer: Incarnation { storage: StorageId(0xa1), boot: Boot(5) },
        units: vec![StorageId(0xa1), StorageId(0xb2), StorageId(0xc3)],
        write_quorum: 2,
    };
    let segments = vec![
        Segment {
            start: Lsn(10),
            end: Some(Lsn(100)),
            params: LogletParams { id: id(3), kind: LogletKind::MEMORY, bytes: bytes::Bytes::new() },
        },
        Segment { start: Lsn(100), end: Some(Lsn(100)), params: native.encode(id(4)) },
        Segment {
            start: Lsn(100),
            end: None,
            params: LogletParams { id: id(6), kind: LogletKind(200), bytes: bytes::Bytes::from_static(b"unknown") },
        },
    ];
    Chain { log: LogId(7), segments }
}

#[test]
fn the_bytes_of_the_parameters_of_a_corfu_loglet_do_not_change() {
    let sequencer = Incarnation { storage: StorageId(0xa1), boot: Boot(5) };
    let corfu = CorfuParams { sequencer, units: vec![StorageId(0xb2), StorageId(0xa1)] };
    let params = corfu.encode(LogletId { log: LogId(7), ordinal: 4, nonce: 9 });
    let numbers = [0xa1_u64, 5].map(u64::to_le_bytes).concat();
    let units = [0xb2_u64, 0xa1].map(u64::to_le_bytes).concat();
    assert_eq!(params.kind, LogletKind(3));
    assert_eq!(params.bytes, [&numbers[..], &[2, 0], &units].concat());
}

#[test]
fn the_bytes_of_chain_format_2_do_not_change() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/chain-v2");
    if std::env::var_os("NAXOS_BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, chain().encode()).unwrap();
    }
    let golden = fs::read(&file).unwrap();
    assert_eq!(chain().encode(), golden);
    assert_eq!(Chain::decode(golden.into()).unwrap(), chain());
}
