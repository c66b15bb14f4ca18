//! [`flip_bit`]: flips one bit of a disk, durably, as a disk does whose bits rot.

use naxos_proto::seams::sim::Drive;

use crate::differential::dice::Dice;

/// The part of a disk in which a bit flips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A segment of the journal.
    Journal,
    /// The local store.
    Store,
    /// Any other file.
    Other,
}

/// How often to look for a byte that is not zero. Most zeros were never written, and nobody misses them.
const LOOKS: u64 = 64;

impl Part {
    fn has(self, path: &str) -> bool {
        let (journal, store) = (path.starts_with("journal/"), path == "store.redb");
        match self {
            Part::Journal => journal,
            Part::Store => store,
            Part::Other => !journal && !store,
        }
    }
}

/// Flips one bit in a file of this part of the disk. Returns a text that says where. `None` if no file of this part has
/// a byte that is not zero.
pub fn flip_bit(drive: &Drive, part: Part, dice: &mut Dice) -> Option<String> {
    let paths: Vec<String> = drive.paths().into_iter().filter(|path| part.has(path)).collect();
    let filled: Vec<&String> =
        paths.iter().filter(|path| drive.content(path).is_some_and(|c| c.iter().any(|b| *b != 0))).collect();
    let path = (!filled.is_empty()).then(|| *dice.pick(&filled))?;
    let bit = dice.below(8);
    let mut hit = 0;
    drive.damage(path, |content| {
        for _ in 0..LOOKS {
            hit = usize::try_from(dice.below(content.len() as u64)).expect("a file fits into memory");
            if content[hit] != 0 {
                break;
            }
        }
        content[hit] ^= 1 << bit;
    });
    Some(format!("bit {bit} of byte {hit} of {path} flips"))
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::OpenMode;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn exactly_one_bit_of_the_named_part_flips() {
        let drive = Drive::new(1);
        let disk = drive.mount();
        disk.create_dir("journal").await.expect("it works");
        for path in ["journal/1.seg", "store.redb", "format"] {
            let file = disk.open(path, OpenMode::CreateNew).await.expect("it is new");
            file.blocking().write_at(0, b"0123456789").expect("there is room");
        }
        let before = drive.copy(2);
        let mut dice = Dice::new(3);
        for (part, path) in [(Part::Journal, "journal/1.seg"), (Part::Store, "store.redb"), (Part::Other, "format")] {
            assert!(flip_bit(&drive, part, &mut dice).is_some_and(|what| what.contains(path)));
            let (old, new) = (before.content(path).expect("it is there"), drive.content(path).expect("it is left"));
            let bits: u32 = old.iter().zip(&new).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(bits, 1, "{path}");
        }
        assert_eq!(flip_bit(&Drive::new(4), Part::Other, &mut dice), None, "an empty disk");
    }
}
