//! Data directories that belong to something else, are in use, or are damaged. Either the start is refused with a
//! sentence that names the file and what was expected, and the directory is left as it was; or the node serves
//! everything that was acknowledged.

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use naxos_proto::etcd::client::etcdserverpb::{PutRequest, RangeRequest};
use naxos_proto::seams::{BootClock, Clock};
use support::{ANYWHERE, Server, block_on, contents, kv, run};

/// How many keys are written before the second wait for a checkpoint, and how many after it.
const KEYS: [u32; 2] = [400, 40];
/// Long enough for a checkpoint, which is made every second, and for the trim that follows it.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(1_300);
/// How many bits are flipped in each file, one at a time.
const FLIPS: u64 = 12;

fn words(data: &str) -> Vec<String> {
    ANYWHERE.iter().map(ToString::to_string).chain([format!("--data-dir={data}")]).collect()
}

/// Checks that a start on `data` in `dir` is refused with these texts and changes nothing.
fn refused(dir: &Path, data: &str, texts: &[&str]) {
    let before = contents(dir);
    let words = words(data);
    let ended = run(dir, &words.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let context = format!("{data}: {}", ended.err);
    assert_eq!(ended.code, Some(1), "{context}");
    let plain = ended.err.replace("\\\"", "\"");
    for text in [&format!("--data-dir {data}: ")[..]].iter().chain(texts) {
        assert!(plain.contains(text), "{text:?} is not in {context}");
    }
    assert_eq!(contents(dir), before, "{context}");
}

fn value(n: u32) -> Vec<u8> {
    (0..1_000_u32).map(|i| (n.wrapping_mul(2_654_435_761).wrapping_add(i * i) >> 3) as u8).collect()
}

fn pause(by: Duration) {
    block_on(async { BootClock.sleep(by).await });
}

/// Makes the data directory of a node that took [`KEYS`], trimmed its log after a checkpoint, and was killed.
fn filled(dir: &Path) {
    let data = format!("--data-dir={}", dir.join("data").display());
    let (mut server, address) = Server::serving(dir, &[&data]);
    let put = |from: u32, below: u32| {
        block_on(async {
            let mut kv = kv(&address);
            for n in from..below {
                let request = PutRequest {
                    key: n.to_be_bytes().to_vec().into(),
                    value: value(n).into(),
                    ..PutRequest::default()
                };
                kv.put(request).await.unwrap();
            }
        });
    };
    put(0, KEYS[0] / 2);
    pause(CHECKPOINT_WAIT);
    put(KEYS[0] / 2, KEYS[0]);
    pause(CHECKPOINT_WAIT);
    put(KEYS[0], KEYS[0] + 1);
    pause(CHECKPOINT_WAIT);
    put(KEYS[0] + 1, KEYS[0] + KEYS[1]);
    server.child.kill().unwrap();
}

/// Checks that everything that was acknowledged is served from `data`.
fn serves_all(dir: &Path, data: &str, context: &str) {
    let data = format!("--data-dir={data}");
    let words: Vec<&str> = ANYWHERE.iter().copied().chain([data.as_str()]).collect();
    let mut server = Server::start(dir, &words);
    let line = server.wait_for("serving client traffic insecurely; this is strongly discouraged!");
    let request = RangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..RangeRequest::default() };
    let found =
        block_on(async { kv(line["address"].as_str().unwrap()).range(request).await.unwrap().into_inner().kvs });
    assert_eq!(found.len() as u32, KEYS[0] + KEYS[1], "{context}");
    for (n, kv) in (0_u32..).zip(&found) {
        assert_eq!((&kv.key[..], &kv.value[..]), (&n.to_be_bytes()[..], &value(n)[..]), "{context}");
    }
    let log = server.log();
    assert!(!log.contains("panicked"), "{context}: {log}");
    assert_eq!(server.terminate(), Some(0), "{context}");
}

/// Checks that a start either is refused or serves everything. A refusal must say what was expected, and must leave the
/// directory as it was. Returns whether the start was refused.
fn refused_or_serves(dir: &Path, data: &str, context: &str) -> bool {
    let before = contents(&dir.join(data));
    let words = words(data);
    let mut server = Server::start(dir, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let Some(text) = server.refusal() else {
        drop(server);
        serves_all(dir, data, context);
        return false;
    };
    assert!(text.contains("expected") && text.contains(&format!("--data-dir {data}: ")), "{context}: {text}");
    assert!(!text.contains("panicked"), "{context}: {text}");
    assert_eq!(contents(&dir.join(data)), before, "{context}: {text}");
    true
}

/// Copies `data` to another name; blocks of zeros take no space in the copy.
fn copy(dir: &Path, to: &str) {
    let done = std::process::Command::new("cp").args(["-r", "--sparse=always", "data", to]).current_dir(dir).status();
    assert!(done.unwrap().success());
}

fn flip(path: &Path, at: u64, bit: u64) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1 << bit;
    file.write_all_at(&byte, at).unwrap();
}

fn cut(path: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

#[test]
fn what_is_no_data_directory_of_naxos_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "x").unwrap();
    refused(dir.path(), "file", &["expected a directory that this process may read and write"]);
    refused(dir.path(), "file/below", &["expected a directory that this process may read and write"]);
    refused(dir.path(), "/proc/nowhere", &["expected a directory that this process may read and write"]);

    fs::create_dir_all(at("etcd/member/wal")).unwrap();
    fs::create_dir_all(at("etcd/member/snap")).unwrap();
    fs::write(at("etcd/member/wal/0000000000000000-0000000000000000.wal"), [4; 4096]).unwrap();
    fs::write(at("etcd/member/snap/db"), [5; 32768]).unwrap();
    refused(
        dir.path(),
        "etcd",
        &[
            "belongs to etcd",
            "expected an empty one or one of Naxos",
            "naxos ctl restore --etcd-data-dir=DIR --data-dir=NEW",
        ],
    );

    fs::create_dir(at("photos")).unwrap();
    fs::write(at("photos/cat.jpg"), "meow").unwrap();
    refused(dir.path(), "photos", &["found \"cat.jpg\", expected nothing or a file \"format\""]);

    fs::create_dir_all(at("half/journal")).unwrap();
    refused(dir.path(), "half", &["found \"journal\", expected nothing or a file \"format\""]);

    for (name, format, texts) in [
        (
            "newer",
            &br#"{"magic":"naxos data directory","version":9}"#[..],
            &["format version 9", "reads version 2"][..],
        ),
        (
            "older",
            &br#"{"magic":"naxos data directory","version":1}"#[..],
            &["format version 1", "reads version 2"][..],
        ),
        ("magic", br#"{"magic":"something else","version":1}"#, &["\"format\"", "expected \"magic\""]),
        ("fields", br#"{"magic":"naxos data directory","version":2}"#, &["\"format\"", "expected the fields"]),
        ("empty", b"", &["\"format\"", "expected JSON"]),
        ("bytes", b"\0\xff\x80{", &["\"format\"", "expected JSON"]),
        ("long", &[b' '; 5_000], &["\"format\"", "expected at most 4096 bytes, found 5000"]),
    ] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("format"), format).unwrap();
        refused(dir.path(), name, texts);
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: root may write everywhere");
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::set_permissions(dir.path().join("data"), fs::Permissions::from_mode(0o500)).unwrap();
    refused(dir.path(), "data", &["expected a directory that this process may read and write"]);
}

#[test]
fn a_second_process_on_one_directory_is_refused_and_the_first_serves_on() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &["--data-dir=data"]);
    let put = || {
        let request = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
        block_on(async { kv(&address).put(request).await.unwrap() });
    };
    put();
    // The first server is working on the journal, so the whole directory cannot be compared. Check the exit code and
    // the texts.
    let words = words("data");
    let ended = run(dir.path(), &words.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    for text in
        ["--data-dir data: the data directory is in use by another process", "\\\"lock\\\"", "stop it, or choose"]
    {
        assert!(ended.err.contains(text), "{}", ended.err);
    }
    put();
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_damaged_local_store_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = |data: &str| dir.path().join(data).join("store.redb");
    filled(dir.path());
    let whole = fs::read(store("data")).unwrap();
    let damaged = &["store.redb is damaged: expected", "restore the data directory from a backup"];
    // The last page may be unused: without it, the start may be refused or serve everything.
    for (len, free) in [(0, false), (100, false), (4_096, false), (whole.len() / 2, false), (whole.len() - 4_096, true)]
    {
        copy(dir.path(), "cut");
        cut(&store("cut"), len as u64);
        if free {
            refused_or_serves(dir.path(), "cut", "the last page is cut off");
        } else {
            refused(dir.path(), "cut", damaged);
        }
        fs::remove_dir_all(dir.path().join("cut")).unwrap();
    }
    copy(dir.path(), "bad");
    for other in [vec![7; whole.len()], b"redb".to_vec(), vec![0; 1 << 16]] {
        fs::write(store("bad"), other).unwrap();
        refused(dir.path(), "bad", damaged);
    }
    fs::remove_file(store("bad")).unwrap();
    refused(dir.path(), "bad", &["store.redb is missing", "expected the file that belongs to this journal"]);
    fs::create_dir(store("bad")).unwrap();
    refused(dir.path(), "bad", &["store.redb: "]);
    fs::remove_dir(store("bad")).unwrap();

    // The store of another node, undamaged.
    let other = tempfile::tempdir().unwrap();
    filled(other.path());
    fs::copy(other.path().join("data/store.redb"), store("bad")).unwrap();
    refused(dir.path(), "bad", &["store.redb belongs to storage", "whose journal this is"]);
    fs::remove_dir_all(dir.path().join("bad")).unwrap();
    serves_all(dir.path(), "data", "the original");
}

#[test]
fn a_flipped_bit_is_refused_by_name_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let names = ["store.redb", "journal", "format"];
    let mut refusals = [0; 3];
    for (kind, name) in names.into_iter().enumerate() {
        for round in 0..FLIPS {
            copy(dir.path(), "flipped");
            let mut path = dir.path().join("flipped").join(name);
            if path.is_dir() {
                path = fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).min().unwrap();
            }
            // Flip bits in the header and in the used part, not in the zeros after it.
            let used = fs::read(&path).unwrap().iter().rposition(|b| *b != 0).unwrap() as u64;
            let at = if round < 4 { round * 8 } else { used / (FLIPS - 3) * (round - 3) + round * 13 };
            flip(&path, at.min(used), round % 8);
            let context = format!("{name}, bit {} of byte {at} of {used}", round % 8);
            refusals[kind] += u32::from(refused_or_serves(dir.path(), "flipped", &context));
            fs::remove_dir_all(dir.path().join("flipped")).unwrap();
        }
    }
    assert!(refusals.iter().all(|r| *r >= 3), "{refusals:?}");
}

#[test]
fn a_damaged_journal_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let mut segments: Vec<_> =
        fs::read_dir(dir.path().join("data/journal")).unwrap().map(|e| e.unwrap().path()).collect();
    segments.sort();
    let first = segments[0].file_name().unwrap().to_str().unwrap().to_owned();
    let in_journal = |data: &str, name: &str| dir.path().join(data).join("journal").join(name);
    let len = fs::metadata(&segments[0]).unwrap().len();
    for kept in [0, 100, 4_096, 5_000, 100_000, len - 1] {
        copy(dir.path(), "cut");
        cut(&in_journal("cut", &first), kept);
        refused(dir.path(), "cut", &["journal", "expected"]);
        fs::remove_dir_all(dir.path().join("cut")).unwrap();
    }
    copy(dir.path(), "bad");
    fs::rename(in_journal("bad", &first), in_journal("bad", "00000000000000ff.seg")).unwrap();
    refused(dir.path(), "bad", &["journal/", "is damaged at byte", "expected"]);
    fs::remove_file(in_journal("bad", "00000000000000ff.seg")).unwrap();
    refused(dir.path(), "bad", &["journal", "expected at least one segment with a whole header and preamble"]);
    fs::write(in_journal("bad", &first), vec![9; 1 << 20]).unwrap();
    refused(dir.path(), "bad", &["journal", "expected"]);
    fs::remove_dir_all(dir.path().join("bad").join("journal")).unwrap();
    refused(dir.path(), "bad", &["journal"]);
    fs::remove_dir_all(dir.path().join("bad")).unwrap();

    // The journal of another node, undamaged.
    let other = tempfile::tempdir().unwrap();
    filled(other.path());
    copy(dir.path(), "swapped");
    fs::copy(other.path().join("data/journal").join(&first), in_journal("swapped", &first)).unwrap();
    refused(dir.path(), "swapped", &["journal/", "expected the storage id of this data directory"]);
    fs::remove_dir_all(dir.path().join("swapped")).unwrap();
    serves_all(dir.path(), "data", "the original");
}

#[test]
fn files_of_different_times_are_no_pair() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    copy(dir.path(), "old");
    serves_all(dir.path(), "data", "the original");
    let (server, address) = Server::serving(dir.path(), &["--data-dir=data"]);
    block_on(async {
        let mut kv = kv(&address);
        for n in 0..200_u32 {
            let request =
                PutRequest { key: n.to_be_bytes().to_vec().into(), value: value(n).into(), ..PutRequest::default() };
            kv.put(request).await.unwrap();
        }
    });
    pause(CHECKPOINT_WAIT);
    pause(CHECKPOINT_WAIT);
    assert_eq!(server.terminate(), Some(0));
    let file = |data: &str| dir.path().join(data).join("store.redb");
    // The older journal with the newer store: the store has applied entries that this journal does not have.
    fs::rename(file("old"), dir.path().join("older")).unwrap();
    fs::copy(file("data"), file("old")).unwrap();
    let start = |data: &str| {
        let (words, before) = (words(data), contents(&dir.path().join(data)));
        let ended = run(dir.path(), &words.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert_eq!(contents(&dir.path().join(data)), before, "{}", ended.err);
        ended.err
    };
    let err = start("old");
    assert!(err.contains("--data-dir old: ") && err.contains("not a pair"), "{err}");
    // The newer journal with the older store: the log was trimmed in between.
    fs::rename(dir.path().join("older"), file("data")).unwrap();
    let err = start("data");
    assert!(err.contains("--data-dir data: ") && err.contains("trimmed up to"), "{err}");
}

/// Where the last value is in the journal of `data`: the segment file, and the position of the value's first byte in
/// that file.
fn last_value(data: &Path) -> (std::path::PathBuf, u64) {
    let last = value(KEYS[0] + KEYS[1] - 1);
    let found = fs::read_dir(data.join("journal")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let at = content[..used].windows(last.len()).position(|w| w[0] == last[0] && w == last)?;
        Some((path, at as u64))
    });
    found.expect("the journal has it")
}

#[test]
fn a_bit_that_rotted_in_the_last_batch_is_refused_and_nothing_is_lost_once_it_is_flipped_back() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let (path, at) = last_value(&dir.path().join("data"));
    let batch = at - at % 4_096;
    // Bytes of the batch's directory (magic, length and body), and of the record that holds the value (magic, length,
    // offset and body).
    for byte in [batch, batch + 16, batch + 100, batch + 148, batch + 164, batch + 198, at - 9, at, at + 999] {
        let (name, context) = (format!("rotted-{byte}"), format!("byte {byte} of a batch at {batch}, value at {at}"));
        copy(dir.path(), &name);
        let rotted = dir.path().join(&name).join("journal").join(path.file_name().unwrap());
        flip(&rotted, byte, 3);
        // The node may also serve everything, if a checkpoint was made between the last put and the kill. Such a
        // checkpoint has the value.
        refused_or_serves(dir.path(), &name, &context);
        flip(&rotted, byte, 3);
        serves_all(dir.path(), &name, &context);
    }
}
