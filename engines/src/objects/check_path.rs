//! [`check_path`]: what a path of a tree must look like.

use super::check_bytes::check_bytes;
use super::limit_error::LimitError;
use super::limits::{DEPTH_MAX, KEY_BYTES_MAX};

/// Checks that a path is well written and is not the root.
pub(super) fn check_path(path: &str) -> Result<(), LimitError> {
    check_bytes("path", path.len(), KEY_BYTES_MAX)?;
    let wrong = |rule| Err(LimitError::Path { path: path.to_owned(), rule });
    match path.strip_prefix('/') {
        None => wrong("does not begin with a slash, expected a path such as /a/b"),
        Some("") => wrong("is the root, which is always there and has no value"),
        Some(names) if names.split('/').any(str::is_empty) => {
            wrong("has an empty name, expected a name after each slash")
        }
        Some(names) if names.split('/').count() > DEPTH_MAX => wrong("has more than 255 names, expected at most 255"),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_from_the_root() {
        for good in ["/a", "/a/b", "/a b/\u{e4}"] {
            assert_eq!(check_path(good), Ok(()));
        }
        let told = |path: &str| check_path(path).unwrap_err().to_string();
        assert_eq!(told("a"), "the path \"a\" does not begin with a slash, expected a path such as /a/b");
        assert_eq!(told("/a//b"), "the path \"/a//b\" has an empty name, expected a name after each slash");
        assert_eq!(told("/a/"), "the path \"/a/\" has an empty name, expected a name after each slash");
        assert_eq!(told("/"), "the path \"/\" is the root, which is always there and has no value");
        assert!(told(&"/a".repeat(256)).contains("more than 255 names"));
        assert!(told(&"/a".repeat(600)).contains("1200 bytes"));
    }
}
