//! [`Names`]: the directory tree, as programs see it and as it is on the device.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::splitmix::SplitMix64;

/// The identity of a file, independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inode(pub(crate) u64);

/// One change to a directory.
#[derive(Clone, Debug)]
enum Step {
    Link(String, Inode),
    Unlink(String),
    Rename(String, String),
    MakeDir(String),
}

#[derive(Clone, Debug, Default)]
struct Tree {
    files: BTreeMap<String, Inode>,
    dirs: BTreeSet<String>,
}

impl Tree {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Link(path, inode) => drop(self.files.insert(path.clone(), *inode)),
            Step::Unlink(path) => drop(self.files.remove(path)),
            Step::Rename(from, to) => {
                if let Some(inode) = self.files.remove(from) {
                    self.files.insert(to.clone(), inode);
                }
            }
            Step::MakeDir(dir) => drop(self.dirs.insert(dir.clone())),
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// The names of one drive. Steps are journalled in order, as in real file systems. A crash keeps a random prefix of
/// those that were not synced. Syncing a directory makes all steps durable up to the last one in that directory.
#[derive(Debug, Default)]
pub(crate) struct Names {
    cache: Tree,
    durable: Tree,
    pending: Vec<Step>,
    shrunk: bool,
}

impl Names {
    fn step(&mut self, step: Step) {
        self.shrunk |= matches!(step, Step::Unlink(_) | Step::Rename(..));
        self.cache.apply(&step);
        self.pending.push(step);
    }

    fn check_dir(&self, dir: &str) -> io::Result<()> {
        if dir.is_empty() || self.cache.dirs.contains(dir) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    pub(crate) fn get(&self, path: &str) -> Option<Inode> {
        self.cache.files.get(path).copied()
    }

    pub(crate) fn link(&mut self, path: &str, inode: Inode) -> io::Result<()> {
        self.check_dir(parent(path))?;
        self.step(Step::Link(path.to_owned(), inode));
        Ok(())
    }

    pub(crate) fn unlink(&mut self, path: &str) -> io::Result<()> {
        self.get(path).ok_or(io::ErrorKind::NotFound)?;
        self.step(Step::Unlink(path.to_owned()));
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.get(from).ok_or(io::ErrorKind::NotFound)?;
        self.check_dir(parent(to))?;
        self.step(Step::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(crate) fn make_dir(&mut self, dir: &str) {
        let mut at = 0;
        while at < dir.len() {
            let end = dir[at..].find('/').map_or(dir.len(), |i| at + i);
            if !self.cache.dirs.contains(&dir[..end]) {
                self.step(Step::MakeDir(dir[..end].to_owned()));
            }
            at = end + 1;
        }
    }

    pub(crate) fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.check_dir(dir)?;
        let inside = |path: &String| {
            let name = if dir.is_empty() { Some(path.as_str()) } else { path.strip_prefix(dir)?.strip_prefix('/') };
            name.filter(|n| !n.contains('/')).map(str::to_owned)
        };
        let names: BTreeSet<_> = self.cache.files.keys().chain(&self.cache.dirs).filter_map(inside).collect();
        Ok(names.into_iter().collect())
    }

    pub(crate) fn sync(&mut self, dir: &str) -> io::Result<()> {
        self.check_dir(dir)?;
        let in_dir = |step: &Step| match step {
            Step::Link(path, _) | Step::Unlink(path) | Step::MakeDir(path) => parent(path) == dir,
            Step::Rename(from, to) => parent(from) == dir || parent(to) == dir,
        };
        let last = self.pending.iter().rposition(in_dir).map_or(0, |i| i + 1);
        for step in self.pending.drain(..last) {
            self.durable.apply(&step);
        }
        self.shrunk = true;
        Ok(())
    }

    /// Makes everything durable.
    pub(crate) fn sync_all(&mut self) {
        for step in self.pending.drain(..) {
            self.durable.apply(&step);
        }
    }

    /// Cuts the power. Returns the files that still have a name.
    pub(crate) fn crash(&mut self, random: &mut SplitMix64) -> BTreeSet<Inode> {
        let kept = random.below(self.pending.len() as u64 + 1);
        let kept = usize::try_from(kept).expect("steps fit memory");
        for step in self.pending.drain(..).take(kept).collect::<Vec<_>>() {
            self.durable.apply(&step);
        }
        self.pending.clear();
        self.cache = self.durable.clone();
        self.reachable()
    }

    /// The files that have a name, or may have one after a crash.
    pub(crate) fn reachable(&self) -> BTreeSet<Inode> {
        let linked = self.pending.iter().filter_map(|step| match step {
            Step::Link(_, inode) => Some(*inode),
            _ => None,
        });
        self.cache.files.values().chain(self.durable.files.values()).copied().chain(linked).collect()
    }

    /// Whether the result of [`Self::reachable`] may have shrunk since the last call of this function. Crashes are not
    /// counted, because [`Self::crash`] returns the new result itself.
    pub(crate) fn take_shrunk(&mut self) -> bool {
        std::mem::take(&mut self.shrunk)
    }

    /// The files that programs see.
    pub(crate) fn visible(&self) -> impl Iterator<Item = Inode> {
        self.cache.files.values().copied()
    }

    /// The paths of all files.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.cache.files.keys().cloned().collect()
    }
}
