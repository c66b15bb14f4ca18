//! Placeholder: the crate is being written.
