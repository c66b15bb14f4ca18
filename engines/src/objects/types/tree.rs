//! [`Tree`]: values by path.

use bytes::Bytes;

use crate::objects::failure::Failure;
use crate::objects::fields::{Fields, KeyRange, Overlay};
use crate::objects::limits::SCAN_MAX;
use crate::objects::object::Object;
use crate::objects::object_id::ObjectId;
use crate::objects::object_type::ObjectType;
use crate::objects::objects::Objects;
use crate::objects::open_error::OpenError;
use crate::objects::output::Output;
use crate::objects::read::Read;
use crate::objects::refused::Refused;
use crate::objects::types::not_of_type;
use crate::objects::update::Update;
use crate::objects::write::Write;

/// Values by path, as `/a/b`. A path can be created only below a path that exists, and deleted only while it has no
/// children. The root, `/`, is always there and has no value.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let config = objects.tree("config").await?;
/// config.create("/web", "").commit().await?;
/// config.create("/web/port", "80").commit().await?;
/// assert_eq!(config.children("/web").local()?, ["port"]);
/// assert!(config.delete("/web").commit().await.is_err(), "it has a child");
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tree {
    object: Object,
}

impl Objects {
    /// Opens the tree of this name, or creates it.
    /// # Cancel safety
    /// If the future is dropped, the tree may have been created or not.
    pub async fn tree(&self, name: &str) -> Result<Tree, OpenError> {
        Ok(Tree { object: self.open(name, ObjectType::Tree).await? })
    }
}

impl Tree {
    /// What all objects have in common.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The value of a path. `None` if there is no such path.
    pub fn get(&self, path: &str) -> Read<Option<Bytes>> {
        let (id, key) = (self.object.id(), key_of(path));
        self.object.read(move |fields| Ok(fields.get(id, &key)?.map(|field| field.value)))
    }

    /// The names of the children of a path, in order; at most [`SCAN_MAX`]. They are the last parts of the children's
    /// paths.
    pub fn children(&self, path: &str) -> Read<Vec<String>> {
        let (id, prefix) = (self.object.id(), below(path));
        self.object.read(move |fields| {
            let found = fields.scan(id, &KeyRange::beginning_with(&prefix), SCAN_MAX)?;
            let name = |key: Bytes| String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            Ok(found.into_iter().map(|(key, _)| name(key)).collect())
        })
    }

    /// Creates a path. Refused if it exists, or if its parent does not.
    pub fn create(&self, path: &str, value: impl Into<Bytes>) -> Update<()> {
        self.object.update(Write::Create(path.to_owned(), value.into()), |_| ())
    }

    /// Sets the value of a path. Refused if it does not exist.
    pub fn assign(&self, path: &str, value: impl Into<Bytes>) -> Update<()> {
        self.object.update(Write::Assign(path.to_owned(), value.into()), |_| ())
    }

    /// Deletes a path. Refused if it does not exist, or if it has children.
    pub fn delete(&self, path: &str) -> Update<()> {
        self.object.update(Write::Delete(path.to_owned()), |_| ())
    }
}

/// The key of a path: its depth and the path, so that the children of a path lie next to each other.
fn key_of(path: &str) -> Vec<u8> {
    // A path that is too deep cannot have been created, so it may have any key that no field has.
    let depth = u8::try_from(path.matches('/').count()).unwrap_or(0);
    [&[depth], path.as_bytes()].concat()
}

/// What the keys of the children of a path begin with.
fn below(path: &str) -> Vec<u8> {
    key_of(&format!("{}/", path.trim_end_matches('/')))
}

/// The path above this one. `None` if that is the root.
fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}

pub(super) fn apply(fields: &mut Overlay<'_>, object: ObjectId, write: &Write) -> Result<Output, Failure> {
    let exists = |fields: &Overlay<'_>, path: &str| Ok::<_, Failure>(fields.get(object, &key_of(path))?.is_some());
    match write {
        Write::Create(path, value) => {
            if let Some(parent) = parent(path)
                && !exists(fields, parent)?
            {
                return Err(Refused::NoParent(path.clone(), parent.to_owned()).into());
            }
            if exists(fields, path)? {
                return Err(Refused::Exists(path.clone()).into());
            }
            fields.put(object, key_of(path), value.clone());
        }
        Write::Assign(path, value) => {
            if !exists(fields, path)? {
                return Err(Refused::NoPath(path.clone()).into());
            }
            fields.put(object, key_of(path), value.clone());
        }
        Write::Delete(path) => {
            if !exists(fields, path)? {
                return Err(Refused::NoPath(path.clone()).into());
            }
            if !fields.scan(object, &KeyRange::beginning_with(&below(path)), 1)?.is_empty() {
                return Err(Refused::HasChildren(path.clone()).into());
            }
            fields.delete(object, key_of(path));
        }
        other => return Err(not_of_type(ObjectType::Tree, other)),
    }
    Ok(Output::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_a_path_lie_below_it_and_nothing_else_does() {
        assert!(key_of("/a/b").starts_with(&below("/a")));
        assert!(key_of("/a").starts_with(&below("/")));
        for other in ["/a", "/ab/c", "/a/b/c", "/b/a"] {
            assert!(!key_of(other).starts_with(&below("/a")), "{other}");
        }
        assert_eq!((parent("/a"), parent("/a/b")), (None, Some("/a")));
    }
}
