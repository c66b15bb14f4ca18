//! The key of a row in a secondary index: the row's value, and then its primary key. The keys are in the order of the
//! values, and rows with the same value are in the order of their primary keys.
//!
//! The value ends with two zero bytes. So that no value contains that end, a zero byte within it is followed by a byte 255,
//! which keeps the order.

const ZERO: [u8; 2] = [0, 255];
const END: [u8; 2] = [0, 0];

/// The beginning of the keys of all rows with this value.
pub(super) fn of_value(value: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(value.len() + END.len());
    for byte in value {
        match byte {
            0 => key.extend(ZERO),
            byte => key.push(*byte),
        }
    }
    key.extend(END);
    key
}

/// The key of a row.
pub(super) fn of_row(value: &[u8], primary: &[u8]) -> Vec<u8> {
    let mut key = of_value(value);
    key.extend(primary);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn few_bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0_u8, 1, 254, 255]), 0..5)
    }

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_value_and_primary_key(
            one in (few_bytes(), few_bytes()),
            two in (few_bytes(), few_bytes()),
        ) {
            let key = |(value, primary): &(Vec<u8>, Vec<u8>)| of_row(value, primary);
            prop_assert_eq!(one.cmp(&two), key(&one).cmp(&key(&two)));
            prop_assert_eq!(one.0 == two.0, key(&one).starts_with(&of_value(&two.0)));
        }
    }
}
