//! [`AppendError`].

use super::{Garbage, Wire};
use crate::contracts::{AppendError, Refusal};
use crate::ids::Offset;
use crate::peer::generated as wire;

impl Wire for AppendError {
    type Message = wire::AppendError;

    fn to_wire(self) -> wire::AppendError {
        use wire::append_error::Error;
        let error = match self {
            AppendError::Sealed => Error::Sealed(wire::Nothing {}),
            AppendError::Refused(refusal) => Error::Refused(refusal.to_wire()),
            AppendError::Undecided { at } => Error::Undecided(at.0),
            AppendError::Unknown(text) => Error::Unknown(text),
        };
        wire::AppendError { error: Some(error) }
    }

    fn from_wire(m: wire::AppendError) -> Result<Self, Garbage> {
        use wire::append_error::Error;
        Ok(match m.error.ok_or(Garbage("the kind of an append's error"))? {
            Error::Sealed(_) => AppendError::Sealed,
            Error::Refused(refusal) => AppendError::Refused(Refusal::from_wire(refusal)?),
            Error::Undecided(at) => AppendError::Undecided { at: Offset(at) },
            Error::Unknown(text) => AppendError::Unknown(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::wire::refusal::all_refusals;

    #[test]
    fn every_error_survives_the_wire() {
        let mut all = vec![
            AppendError::Sealed,
            AppendError::Undecided { at: Offset(7) },
            AppendError::Unknown("lost".to_owned()),
        ];
        all.extend(all_refusals().into_iter().map(AppendError::Refused));
        for error in all {
            assert_eq!(AppendError::from_wire(error.clone().to_wire()), Ok(error));
        }
        assert!(AppendError::from_wire(wire::AppendError { error: None }).is_err());
    }
}
