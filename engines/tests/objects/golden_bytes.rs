//! The bytes of commands and rows (`docs/formats.md`) must not change by accident, and those that an earlier build
//! wrote must be read. `NAXOS_BLESS=1` writes the golden file again; use it only together with a new format version.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::{BufMut, Bytes, BytesMut};
use naxos_client::SharedLog;
use naxos_engines::local_store::{MadeStore, install_snapshot};
use naxos_engines::objects::{Decision, History, Version, Write};
use naxos_engines::{Entry, RowKey, TableId};
use naxos_proto::codec::{Reader, put_bytes};
use naxos_proto::ids::{Lsn, StorageId, StoreId};
use naxos_proto::seams::sim::Drive;

use crate::model::{All, Everything};
use crate::replica::{Replica, World};

/// The tables of the objects.
const TABLES: std::ops::Range<u8> = 64..71;
/// The name of the store that is made of the golden rows, until it is installed.
const MADE: &str = "made.redb";

/// Commands, and the rows that they make. A row is a table, a key and a value.
#[derive(Debug, PartialEq, Eq)]
struct Golden {
    commands: Vec<Bytes>,
    rows: Vec<(u8, Bytes, Bytes)>,
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/objects-v1")
}

impl Golden {
    fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32_le(u32::try_from(self.commands.len()).unwrap());
        self.commands.iter().for_each(|command| put_bytes(&mut out, command));
        out.put_u32_le(u32::try_from(self.rows.len()).unwrap());
        for (table, key, value) in &self.rows {
            out.put_u8(*table);
            put_bytes(&mut out, key);
            put_bytes(&mut out, value);
        }
        out.freeze()
    }

    fn load() -> Self {
        let mut r = Reader::new(fs::read(file()).unwrap().into(), "golden file");
        let commands = (0..r.u32().unwrap()).map(|_| r.bytes().unwrap()).collect();
        let row = |r: &mut Reader| (r.u8().unwrap(), r.bytes().unwrap(), r.bytes().unwrap());
        let rows = (0..r.u32().unwrap()).map(|_| row(&mut r)).collect();
        r.end().unwrap();
        Self { commands, rows }
    }

    /// What a replica has.
    async fn of(replica: &Replica) -> Self {
        let tail = replica.log.check_tail().await.unwrap();
        let (records, _) = replica.log.read(Lsn::ZERO, tail, usize::MAX).await.unwrap();
        let mut commands = Vec::new();
        for record in records {
            let mut payload = Reader::new(Entry::decode(record.payload).unwrap().payload, "batch");
            while payload.left() > 0 {
                commands.push(payload.bytes().unwrap());
            }
        }
        let end = |table| RowKey::new(StoreId(0), TableId(table), &[]);
        let rows = replica.stack.reader().scan(&end(TABLES.start), &end(TABLES.end), 10_000);
        let row = |(name, value): (RowKey, Bytes)| (name.table.0, Bytes::copy_from_slice(&name.key), value);
        Self { commands, rows: rows.into_iter().map(row).collect() }
    }
}

/// Every kind of command and of write, one after the other. The transaction has all kinds of reads.
async fn written_now(replica: &Replica) -> Everything {
    let all = All::open(&replica.objects).await;
    replica.objects.keep_history(History { changes_max: 100, bytes_max: 10_000 }).await.unwrap();
    all.register.set("one").commit().await.unwrap();
    all.map.put("k1", "two").commit().await.unwrap();
    all.map.remove("k1").commit().await.unwrap();
    all.counter.add(-3).commit().await.unwrap();
    all.set.add("k2").commit().await.unwrap();
    for element in ["four", "five"] {
        all.list.push(element).commit().await.unwrap();
        all.queue.push(element).commit().await.unwrap();
    }
    all.list.insert(1, "six").commit().await.unwrap();
    all.list.replace(0, "seven").commit().await.unwrap();
    all.list.take(2).commit().await.unwrap();
    all.queue.pop().commit().await.unwrap();
    for path in ["/a", "/a/b", "/a/c"] {
        all.tree.create(path, path.to_owned()).commit().await.unwrap();
    }
    all.tree.assign("/a/b", "eight").commit().await.unwrap();
    all.tree.delete("/a/c").commit().await.unwrap();
    all.index.put("k4", "nine").commit().await.unwrap();
    let mut transaction = replica.objects.begin().await.unwrap();
    transaction.read(all.register.get()).unwrap();
    transaction.read(all.map.get("absent")).unwrap();
    transaction.read(all.index.len()).unwrap();
    transaction.write(all.map.put("k3", "ten")).unwrap();
    transaction.write(all.counter.add(13)).unwrap();
    assert!(matches!(transaction.commit().await, Ok(Decision::Committed(_))));
    all.read(None).unwrap()
}

#[tokio::test]
async fn the_bytes_of_commands_and_rows_do_not_change() {
    let replica = World::alone(1).await;
    written_now(&replica).await;
    let written = Golden::of(&replica).await;
    if std::env::var_os("NAXOS_BLESS").is_some() {
        fs::write(file(), written.encode()).unwrap();
    }
    let golden = Golden::load();
    assert_eq!(written.commands, golden.commands);
    assert_eq!(written.rows, golden.rows);
}

/// A replica starts on a store that has the rows of the golden file, and goes on with the log.
#[tokio::test]
async fn rows_of_format_1_can_be_read() {
    let (world, drive) = (World::new(), Drive::new(2));
    let one = world.start(1, 1, &Drive::new(1)).await;
    let everything = written_now(&one).await;
    let cursor = one.stack.reader().applied();
    let disk = drive.mount();
    let mut made = MadeStore::create(&*disk, MADE).await.unwrap();
    for (table, key, value) in Golden::load().rows {
        made.put((RowKey::new(StoreId(0), TableId(table), &key), value)).await.unwrap();
    }
    made.finish(cursor).await.unwrap();
    install_snapshot(&*disk, MADE, StorageId(2), cursor).await.unwrap();
    let two = world.start(2, 1, &drive).await;
    let there = All::open(&two.objects).await;
    assert_eq!(there.read(None).unwrap(), everything);
    let committed = there.counter.add(1).commit().await.unwrap();
    assert_eq!(committed.output, 11);
    let mut changes = there.map.object().changes_after(Version::ZERO);
    let put = |key: &'static str, value: &'static str| Write::Put(key.into(), value.into());
    for expected in [put("k1", "two"), Write::Remove("k1".into()), put("k3", "ten")] {
        assert_eq!(changes.next().await.unwrap().write, expected);
    }
}
