//! [`Seats`]: which data directory has the seat of which member.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::ids::{MemberId, StorageId};

/// The data directories that have, or had, a seat that changed since the founding. A data directory that had a seat
/// never gets a seat again (safety rule 13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seats(BTreeMap<StorageId, Seat>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seat {
    member: MemberId,
    /// Whether the data directory has the seat now.
    is_held: bool,
}

impl Seats {
    /// Gives the seat of `member` to `storage`, if `from` has the seat, or if `from` is `None` and no data directory is
    /// known to have had the seat. Otherwise, or if `storage` had a seat before, returns false and changes nothing.
    ///
    /// Which data directories got the seats at the founding is not known here. The proposer knows it. So at the first
    /// change of a seat, `from` is believed.
    pub(crate) fn change(&mut self, member: MemberId, storage: StorageId, from: Option<StorageId>) -> bool {
        let (holder, is_first) = self.holder(member, from);
        if self.0.contains_key(&storage) || from == Some(storage) || !(is_first || (holder.is_some() && holder == from))
        {
            return false;
        }
        if let Some(from) = from {
            self.0.insert(from, Seat { member, is_held: false });
        }
        self.0.insert(storage, Seat { member, is_held: true });
        true
    }

    /// Takes the seat from `member`, because the member is removed. This needs that `from` has the seat, or that `from`
    /// is `None` and no data directory is known to have it. Otherwise returns false and changes nothing.
    pub(crate) fn end(&mut self, member: MemberId, from: Option<StorageId>) -> bool {
        let (holder, is_first) = self.holder(member, from);
        if !is_first && holder != from {
            return false;
        }
        if let Some(from) = from {
            self.0.insert(from, Seat { member, is_held: false });
        }
        true
    }

    /// The data directory that got the seat of `member` by a change since the founding and still has it, and whether a
    /// change from `from` would be the first change of this seat.
    fn holder(&self, member: MemberId, from: Option<StorageId>) -> (Option<StorageId>, bool) {
        let of_member = self.0.iter().filter(|(_, seat)| seat.member == member);
        let holder = of_member.clone().find(|(_, seat)| seat.is_held).map(|(holder, _)| *holder);
        let is_first = of_member.count() == 0 && from.is_none_or(|from| !self.0.contains_key(&from));
        (holder, is_first)
    }

    /// Notes that a data directory has the seat of a member, or has it no more, whoever had it before.
    pub(crate) fn note(&mut self, storage: StorageId, member: MemberId, is_held: bool) {
        self.0.insert(storage, Seat { member, is_held });
    }

    /// The seats now, of a cluster that was founded with `founders`.
    pub(crate) fn held(&self, founders: &BTreeMap<MemberId, StorageId>) -> BTreeMap<MemberId, StorageId> {
        let has_lost = |storage: &StorageId| self.0.get(storage).is_some_and(|seat| !seat.is_held);
        let mut held = founders.clone();
        held.retain(|_, storage| !has_lost(storage));
        held.extend(self.0.iter().filter(|(_, seat)| seat.is_held).map(|(storage, seat)| (seat.member, *storage)));
        held
    }

    /// The data directories that lost their seats, and their members.
    pub(crate) fn lost(&self) -> impl Iterator<Item = (StorageId, MemberId)> {
        self.0.iter().filter(|(_, seat)| !seat.is_held).map(|(storage, seat)| (*storage, seat.member))
    }

    /// The value of a row.
    pub(crate) fn row(member: MemberId, is_held: bool) -> Bytes {
        let mut out = BytesMut::with_capacity(9);
        out.put_u64_le(member.0);
        out.put_u8(is_held.into());
        out.freeze()
    }

    /// Reads a row. Panics if it is damaged.
    pub(crate) fn load(&mut self, storage: StorageId, row: &[u8]) {
        let (member, is_held) = row.split_at_checked(8).expect("a seat's row has 9 bytes");
        let member = MemberId(u64::from_le_bytes(member.try_into().expect("8 bytes")));
        let is_held = match is_held {
            [0] => false,
            [1] => true,
            _ => panic!("a seat's row is damaged: {row:?}"),
        };
        self.0.insert(storage, Seat { member, is_held });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_13_a_data_directory_that_lost_its_seat_never_gets_one_again() {
        let (a, b) = (MemberId(1), MemberId(2));
        let storage = StorageId;
        let founders = BTreeMap::from([(a, storage(11)), (b, storage(21))]);
        let mut seats = Seats::default();
        assert_eq!(seats.held(&founders), founders);
        let mut change = |member, to: u64, from: u64| seats.change(member, storage(to), Some(storage(from)));
        assert!(change(a, 12, 11));
        assert!(!change(a, 13, 11), "11 has the seat no more");
        assert!(!change(a, 11, 12), "11 never gets a seat again");
        assert!(!change(b, 12, 21), "12 has another seat");
        assert!(!change(b, 22, 11), "11 never had that seat");
        assert!(!change(a, 12, 12));
        assert!(change(a, 13, 12));
        assert!(!seats.change(a, storage(14), None), "somebody has the seat");
        assert_eq!(seats.held(&founders), BTreeMap::from([(a, storage(13)), (b, storage(21))]));
        assert_eq!(seats.lost().collect::<Vec<_>>(), [(storage(11), a), (storage(12), a)]);

        let mut loaded = Seats::default();
        for (storage, member, is_held) in [(11, a, false), (12, a, false), (13, a, true)] {
            loaded.load(StorageId(storage), &Seats::row(member, is_held));
        }
        assert_eq!(loaded, seats);
    }

    #[test]
    fn a_member_that_was_away_at_the_founding_gets_a_seat_once() {
        let (away, founders) = (MemberId(3), BTreeMap::from([(MemberId(1), StorageId(11))]));
        let mut seats = Seats::default();
        assert!(seats.change(away, StorageId(31), None));
        assert!(!seats.change(away, StorageId(32), None), "31 has it");
        assert!(!seats.change(MemberId(2), StorageId(31), None), "31 has another seat");
        assert_eq!(seats.held(&founders).get(&away), Some(&StorageId(31)));
        assert_eq!(seats.lost().count(), 0);
        assert!(seats.change(away, StorageId(32), Some(StorageId(31))));
        assert_eq!(seats.held(&founders).get(&away), Some(&StorageId(32)));
    }

    #[test]
    fn a_removed_member_has_no_seat() {
        let (a, b) = (MemberId(1), MemberId(2));
        let founders = BTreeMap::from([(a, StorageId(11)), (b, StorageId(21))]);
        let mut seats = Seats::default();
        assert!(seats.change(a, StorageId(12), Some(StorageId(11))));
        assert!(!seats.end(a, Some(StorageId(11))), "12 has the seat now");
        assert!(seats.end(a, Some(StorageId(12))) && seats.end(b, Some(StorageId(21))));
        assert!(seats.end(MemberId(3), None), "it never came");
        assert!(seats.held(&founders).is_empty());
        assert!(!seats.change(b, StorageId(21), None), "21 never gets a seat again");
    }
}
