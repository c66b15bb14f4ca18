//! Stores, and the parameters of a loglet on a unit.

use super::{Garbage, Wire, cells_from_wire, cells_to_wire};
use crate::contracts::{Purpose, Shape, Store};
use crate::ids::{Incarnation, LogletId, Offset};
use crate::peer::generated as wire;

impl Wire for Store {
    type Message = wire::Store;

    fn to_wire(self) -> wire::Store {
        let purpose = match self.purpose {
            Purpose::Append { known_tail } => wire::store::Purpose::Append(known_tail.0),
            Purpose::Repair => wire::store::Purpose::Repair(wire::Nothing {}),
        };
        wire::Store {
            loglet: Some(self.loglet.to_wire()),
            incarnation: Some(self.incarnation.to_wire()),
            at: self.at.0,
            cells: cells_to_wire(self.cells),
            purpose: Some(purpose),
        }
    }

    fn from_wire(m: wire::Store) -> Result<Self, Garbage> {
        Ok(Store {
            loglet: LogletId::required(m.loglet, "the loglet of a store")?,
            incarnation: Incarnation::required(m.incarnation, "the sequencer of a store")?,
            at: Offset(m.at),
            cells: cells_from_wire(m.cells),
            purpose: match m.purpose.ok_or(Garbage("the purpose of a store"))? {
                wire::store::Purpose::Append(known_tail) => Purpose::Append { known_tail: Offset(known_tail) },
                wire::store::Purpose::Repair(_) => Purpose::Repair,
            },
        })
    }
}

impl Wire for Shape {
    /// The number of a `wire::Shape`, as prost stores it.
    type Message = i32;

    fn to_wire(self) -> i32 {
        let shape = match self {
            Shape::Contiguous => wire::Shape::Contiguous,
            Shape::Sparse => wire::Shape::Sparse,
        };
        shape.into()
    }

    fn from_wire(m: i32) -> Result<Self, Garbage> {
        let unknown = Garbage("the shape of a loglet");
        match wire::Shape::try_from(m).map_err(|_| unknown)? {
            wire::Shape::Unspecified => Err(unknown),
            wire::Shape::Contiguous => Ok(Shape::Contiguous),
            wire::Shape::Sparse => Ok(Shape::Sparse),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_and_shape_survives_the_wire() {
        for purpose in [Purpose::Append { known_tail: Offset(0) }, Purpose::Repair] {
            let (loglet, incarnation) = (LogletId::default(), Incarnation::default());
            let store = Store { loglet, incarnation, at: Offset(3), cells: Vec::new(), purpose };
            let back = Store::from_wire(store.to_wire()).unwrap();
            assert_eq!((back.at, back.purpose), (Offset(3), purpose));
        }
        for shape in [Shape::Contiguous, Shape::Sparse] {
            assert_eq!(Shape::from_wire(shape.to_wire()), Ok(shape));
        }
        assert!(Shape::from_wire(0).is_err() && Shape::from_wire(9).is_err());
        assert!(Store::from_wire(wire::Store::default()).is_err());
    }
}
