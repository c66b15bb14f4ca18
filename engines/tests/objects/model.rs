//! All types of objects at once: random writes, and everything that can be read.

use bytes::Bytes;
use naxos_engines::objects::{
    Counter, Index, List, Map, Objects, Queue, ReadError, Register, Set, Tree, Update, Version,
};
use naxos_proto::splitmix::SplitMix64;

/// One object of each type.
#[derive(Clone)]
pub struct All {
    pub register: Register,
    pub map: Map,
    pub counter: Counter,
    pub set: Set,
    pub list: List,
    pub queue: Queue,
    pub tree: Tree,
    pub index: Index,
}

/// Everything that can be read of the objects, as text.
pub type Everything = Vec<String>;

/// Commits an update. Returns its version, or `None` if it was refused.
async fn version<T>(update: Update<T>) -> Option<Version> {
    update.commit().await.ok().map(|done| done.version)
}

impl All {
    pub async fn open(objects: &Objects) -> Self {
        Self {
            register: objects.register("register").await.unwrap(),
            map: objects.map("map").await.unwrap(),
            counter: objects.counter("counter").await.unwrap(),
            set: objects.set("set").await.unwrap(),
            list: objects.list("list").await.unwrap(),
            queue: objects.queue("queue").await.unwrap(),
            tree: objects.tree("tree").await.unwrap(),
            index: objects.index("index").await.unwrap(),
        }
    }

    /// Writes something. Returns its version, or `None` if it was refused.
    pub async fn write(&self, random: &mut SplitMix64) -> Option<Version> {
        let value = random.draw().to_string();
        let key = format!("k{}", random.below(6));
        let path = ["/a", "/a/b", "/a/c", "/d"][usize::try_from(random.below(4)).unwrap()];
        match random.below(19) {
            0 => version(self.register.set(value)).await,
            1 => version(self.register.clear()).await,
            2 | 3 => version(self.map.put(key, value)).await,
            4 => version(self.map.remove(key)).await,
            5 => version(self.counter.add(5)).await,
            6 => version(self.set.add(key)).await,
            7 => version(self.set.remove(key)).await,
            8 => version(self.list.push(value)).await,
            9 => version(self.list.insert(random.below(3), value)).await,
            10 => version(self.list.take(random.below(3))).await,
            11 => version(self.list.replace(random.below(3), value)).await,
            12 | 13 => version(self.queue.push(value)).await,
            14 => version(self.queue.pop()).await,
            15 => version(self.tree.create(path, value)).await,
            16 => version(self.tree.delete(path)).await,
            17 => version(self.index.put(key, value)).await,
            _ => version(self.index.remove(key)).await,
        }
    }

    /// Reads everything at a version, or as it is here now.
    pub fn read(&self, at: Option<Version>) -> Result<Everything, ReadError> {
        macro_rules! read {
            ($($read:expr),* $(,)?) => {
                vec![$(format!("{:?}", match at {
                    Some(version) => $read.at(version)?,
                    None => $read.local()?,
                })),*]
            };
        }
        Ok(read![
            self.register.get(),
            self.map.get("k1"),
            self.map.entries("", 100),
            self.map.entries("k3", 2),
            self.map.len(),
            self.counter.get(),
            self.set.members("", 100),
            self.set.contains("k2"),
            self.set.len(),
            self.list.items(0, 1_000),
            self.list.len(),
            self.queue.peek(),
            self.queue.len(),
            self.tree.get("/a/b"),
            self.tree.children("/"),
            self.tree.children("/a"),
            self.index.get("k4"),
            self.index.range("k1", Some(Bytes::from_static(b"k4")), 100),
            self.index.len(),
        ])
    }
}
