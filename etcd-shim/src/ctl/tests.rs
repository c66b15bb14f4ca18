use std::time::Duration;

use naxos_proto::control::*;

use super::*;

fn segment(id: u64, start: u64, end: Option<u64>) -> Segment {
    Segment {
        loglet_id: id,
        kind: "native".to_owned(),
        start,
        end,
        units: vec![1],
        write_quorum: 1,
        sequencer_node: 1,
        sequencer_boot: id,
    }
}

#[test]
fn the_chain_reads_as_a_table() {
    let answer = ChainResponse {
        log_id: 1,
        version: 7,
        trim_point: 900,
        tail: 1_234_567,
        segments: vec![segment(3, 0, Some(1_000)), segment(4, 1_000, None)],
    };
    assert_eq!(
        chain::chain(&answer),
        "\
log 1: 2 segments, chain version 7, positions 900 to 1,234,567

LOGLET  KIND    START  END      ENTRIES  STATE   QUORUM  UNITS  SEQUENCER
     3  native      0  1,000      1,000  sealed  1 of 1      1  node 1 boot 3
     4  native  1,000  open   1,233,567  active  1 of 1      1  node 1 boot 4"
    );
    let done = ReconfigureResponse {
        sealed: Some(segment(3, 0, Some(9))),
        active: Some(segment(4, 9, None)),
        version: 2,
        pause_us: 1_234,
    };
    let text = "sealed loglet 3 (native) at position 9, continued on loglet 4 (native); appends waited 1.234 ms, chain version 2";
    assert_eq!(chain::reconfigured(&done), text);
}

#[test]
fn members_read_as_a_table_that_names_the_member_for_which_the_log_is_kept() {
    let alive = MemberStatus {
        member_id: 0xa,
        name: "a".to_owned(),
        storage_id: 1,
        state: NodeState::Alive.into(),
        has_sequencer: true,
        holds_log: true,
        votes: true,
        applied: Some(1_200),
        needs_from: Some(1_000),
        ..MemberStatus::default()
    };
    let silent = MemberStatus {
        member_id: 0xb,
        name: "b".to_owned(),
        storage_id: 2,
        state: NodeState::Silent.into(),
        holds_log: true,
        votes: true,
        leads_metadata: true,
        applied: Some(700),
        needs_from: Some(650),
        ..MemberStatus::default()
    };
    let new = MemberStatus { member_id: 0xc, is_learner: true, ..MemberStatus::default() };
    let members = vec![alive, silent, new];
    let mut answer = MembersResponse { applied: 1_200, trim_point: 600, members, programs_need_from: Some(651) };
    assert_eq!(
        members::members(&answer),
        "\
MEMBER  NAME  STATE        ROLES                 APPLIED  LAG  NEEDS LOG FROM
a       a     alive        sequencer, vote, log  1,200    0    1,000
b       b     silent       metadata leader, log  700      500  650
c             not started  learner               -        -    -

The log is kept from position 650 on, for b."
    );
    answer.programs_need_from = Some(90);
    assert!(
        members::members(&answer).ends_with("The log is kept from position 90 on, for programs that use it directly.")
    );
}

#[test]
fn units_read_as_a_table_that_says_what_is_missing() {
    let unit = |storage_id, name: &str| UnitStatus {
        storage_id,
        member_id: storage_id,
        name: name.to_owned(),
        segments: 2,
        is_active: true,
        ..UnitStatus::default()
    };
    let whole = UnitsResponse { units: vec![unit(1, "a"), unit(2, "b")], segments: 2, seen: 2 };
    assert!(unit_table::unit_table(&whole).ends_with("\n\nEach unit has all cells of its segments."));
    let behind = UnitStatus { lacks: 1_234, silent: 1, ..unit(2, "b") };
    let gone = UnitStatus { member_id: 0, is_active: false, silent: 2, is_lost: true, ..unit(3, "") };
    let answer = UnitsResponse { units: vec![unit(1, "a"), behind, gone], segments: 3, seen: 2 };
    assert_eq!(
        unit_table::unit_table(&answer),
        "            UNIT  MEMBER         SEGMENTS  ACTIVE  LACKS  STATE
0000000000000001  a                     2  yes     0      answers
0000000000000002  b                     2  yes     1,234  answers for some segments
0000000000000003  lost its seat         2  no      -      lost for good

1,234 cells missing, counting each copy. The members copy what a unit lacks, every few seconds and after each change of the log.
2 segments of the log may have a copy too few. In one segment after the other, the members put another unit that is alive in the place of the lost one, or leave the lost unit out if there is no other unit.
1 segment of the log could not be looked at."
    );
}

#[test]
fn engines_read_from_the_top_down() {
    let engine = |name: &str, state: EngineState, since| Engine {
        id: 1,
        name: name.to_owned(),
        state: state.into(),
        since,
        about: "does it".to_owned(),
        times: None,
    };
    let answer = EnginesResponse {
        engines: vec![engine("base", EngineState::Always, 0), engine("batching", EngineState::Off, 12_345)],
    };
    assert_eq!(
        engines::engines(&answer),
        "\
ENGINE    STATE      SINCE            DOES
batching  off        position 12,345  does it
base      always on  the beginning    does it"
    );
    let times = |proposals, applied| {
        let (propose_p99_us, apply_p99_us) = (2_048, 64);
        let (propose_p50_us, apply_p50_us, in_flight) = (512, 16, 3);
        Some(EngineTimes { proposals, propose_p50_us, propose_p99_us, applied, apply_p50_us, apply_p99_us, in_flight })
    };
    let of = |name, times| Engine { times, ..engine(name, EngineState::On, 0) };
    assert_eq!(
        engines::engines(&EnginesResponse { engines: vec![of("base", times(9, 0)), of("session", times(9, 9))] }),
        "\
ENGINE   STATE  SINCE          PROPOSE P50/P99  APPLY P50/P99  ON THE WAY  DOES
session  on     the beginning   512 / 2,048 us  16 / 64 us              3  does it
base     on     the beginning   512 / 2,048 us  -                       3  does it"
    );
    let done = SetEngineResponse { engine: Some(engine("batching", EngineState::On, 8)) };
    assert_eq!(engines::switched(&done), "engine batching is on since position 8");
}

#[test]
fn a_status_reads_as_sections() {
    let answer = StatusResponse {
        naxos_version: "0.1.0".to_owned(),
        etcd_version: "3.6.16".to_owned(),
        cluster_id: 0xabc,
        member_id: 0x123,
        name: "default".to_owned(),
        boot: 2,
        uptime_ms: 3_723_000,
        log: Some(LogStatus {
            trim_point: 10,
            applied: 95,
            tail: 100,
            chain_version: 3,
            active_kind: "native".to_owned(),
        }),
        store: Some(StoreStatus {
            revision: 1_000,
            compact_revision: 0,
            keys: 5,
            leases: 0,
            watchers: 2,
            checkpoint: 90,
        }),
        disk: Some(DiskStatus {
            journal_bytes: 64 << 20,
            checkpoint_bytes: 1536,
            free_bytes: 5 << 40,
            reserve_bytes: 100,
            state: "full".to_owned(),
        }),
        problems: vec!["the disk is full".to_owned()],
        cluster_version: 1,
        cluster_version_max: 2,
    };
    assert_eq!(
        status::status(&answer),
        "\
naxos 0.1.0 (etcd 3.6.16)
  state            the disk is full
  member           default (123)
  cluster          abc
  cluster version  1 (this program understands up to 2)
  up               1h 2m 3s (start 2 of this data directory)
log
  tail           100
  applied        all but 5
  trimmed below  10
  active loglet  native (chain version 3)
store
  revision    1,000 (compacted at 0)
  keys        5
  leases      0
  watchers    2
  checkpoint  up to position 90
disk
  state       full
  journal     64.0 MiB
  checkpoint  1.5 KiB
  free        5.0 TiB (100 B kept in reserve)"
    );
}

#[test]
fn arguments_read_as_those_of_etcdctl() {
    let parse = |words: &[&str]| Arguments::try_parse_from([&["naxos ctl"], words].concat());
    let a = parse(&["--endpoints=a:1,https://b:2", "chain", "--command-timeout=1m"]).unwrap();
    assert_eq!(a.connection.endpoints(), ["http://a:1", "https://b:2"]);
    assert_eq!(a.connection.command_timeout, Duration::from_secs(60));
    let tls = parse(&["status", "--cacert", "ca.crt"]).unwrap();
    assert_eq!(tls.connection.endpoints(), ["https://127.0.0.1:2379"]);
    assert!(parse(&["engines", "disable", "batching"]).unwrap().command.changes());
    assert!(!parse(&["engines"]).unwrap().command.changes());
    assert!(parse(&["engines", "disable"]).is_err());
    // `--kind` is what an earlier version called `--to`.
    for words in [&["reconfigure"][..], &["reconfigure", "--to=corfu"], &["reconfigure", "--kind", "native"]] {
        let Command::Reconfigure { kind } = parse(words).unwrap().command else { panic!("{words:?}") };
        assert_eq!(kind.is_some(), words.len() > 1, "{words:?}");
    }
    assert!(parse(&["reconfigure"]).unwrap().command.changes());
    assert!(parse(&["status", "--command-timeout=5"]).unwrap_err().to_string().contains("missing unit"));
    assert!(parse(&["bogus"]).is_err());
}
