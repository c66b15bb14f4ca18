//! Items of a followed stream.

use super::{Garbage, Wire, states_from_wire, states_to_wire};
use crate::contracts::{Followed, UnitError};
use crate::ids::Offset;
use crate::peer::generated as wire;

/// `None` is a beat: the unit is alive and has nothing to send.
impl Wire for Option<Result<Followed, UnitError>> {
    type Message = wire::FollowedItem;

    fn to_wire(self) -> wire::FollowedItem {
        use wire::followed_item::Item;
        let item = match self {
            None => Item::Beat(wire::Nothing {}),
            Some(Err(error)) => Item::Error(error.to_wire()),
            Some(Ok(Followed::Cells { at, cells })) => {
                Item::Cells(wire::FollowedCells { at: at.0, cells: states_to_wire(cells) })
            }
            Some(Ok(Followed::KnownTail(offset))) => Item::KnownTail(offset.0),
            Some(Ok(Followed::Sealed(offset))) => Item::Sealed(offset.0),
        };
        wire::FollowedItem { item: Some(item) }
    }

    fn from_wire(m: wire::FollowedItem) -> Result<Self, Garbage> {
        use wire::followed_item::Item;
        Ok(match m.item.ok_or(Garbage("an item of a followed loglet"))? {
            Item::Beat(_) => None,
            Item::Error(error) => Some(Err(UnitError::from_wire(error)?)),
            Item::Cells(m) => Some(Ok(Followed::Cells { at: Offset(m.at), cells: states_from_wire(m.cells)? })),
            Item::KnownTail(offset) => Some(Ok(Followed::KnownTail(Offset(offset)))),
            Item::Sealed(offset) => Some(Ok(Followed::Sealed(Offset(offset)))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::CellState;

    #[test]
    fn every_item_survives_the_wire() {
        for item in [
            None,
            Some(Err(UnitError::Stopped)),
            Some(Ok(Followed::Cells { at: Offset(3), cells: vec![CellState::Junk] })),
            Some(Ok(Followed::KnownTail(Offset(0)))),
            Some(Ok(Followed::Sealed(Offset(9)))),
        ] {
            assert_eq!(<Option<Result<Followed, UnitError>>>::from_wire(item.clone().to_wire()), Ok(item));
        }
    }
}
