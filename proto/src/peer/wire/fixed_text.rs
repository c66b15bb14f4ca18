//! Reasons that the contracts hold as `&'static str`.
//!
//! A text from the wire is not static, and to leak it would let a peer fill the memory. So the texts that nodes send
//! are listed here. Any other text, of a later version, is logged and replaced by one sentence. The error keeps its
//! kind, and only the kind decides what a caller does.

/// The sentence for a text that this version does not know.
const UNLISTED: &str =
    "the peer gave a reason that this version does not know; the node that called it has logged the reason";

/// All texts that this version sends.
const LISTED: &[&str] = &[
    "a store has no cells",
    "a store is larger than a batch",
    "a store ends beyond the last offset",
    "a fill lies beyond the last offset",
    "the loglet exists here with another shape",
    "the unit's metadata has outgrown a quarter of a segment",
    "raft entries are larger than a batch",
    UNLISTED,
];

/// The listed text that is equal to `text`, or [`UNLISTED`] if there is none.
pub(super) fn fixed_text(text: &str) -> &'static str {
    LISTED.iter().find(|listed| **listed == text).copied().unwrap_or_else(|| {
        tracing::warn!(text, "a peer refused a call for a reason that this version does not know");
        UNLISTED
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_text_stays_and_another_one_is_replaced() {
        assert_eq!(fixed_text(&String::from(LISTED[0])), LISTED[0]);
        assert_eq!(fixed_text("something new"), UNLISTED);
    }
}
