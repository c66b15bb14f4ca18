//! [`Map`]: values by key, each with its version.

use bytes::Bytes;

use crate::objects::fields::KeyRange;
use crate::objects::object::Object;
use crate::objects::object_type::ObjectType;
use crate::objects::objects::Objects;
use crate::objects::open_error::OpenError;
use crate::objects::read::Read;
use crate::objects::update::Update;
use crate::objects::version::Version;
use crate::objects::versioned::Versioned;
use crate::objects::write::Write;

/// Values by key, each with its version.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let colors = objects.map("colors").await?;
/// colors.put("sky", "blue").commit().await?;
/// let sky = colors.get("sky").local()?.expect("it was put");
/// assert_eq!(sky.value, "blue");
/// // Only if nobody has put it since.
/// colors.put_if("sky", "grey", sky.version).commit().await?;
/// assert!(colors.put_if("sky", "red", sky.version).commit().await.is_err());
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Map {
    object: Object,
}

impl Objects {
    /// Opens the map of this name, or creates it.
    /// # Cancel safety
    /// If the future is dropped, the map may have been created or not.
    pub async fn map(&self, name: &str) -> Result<Map, OpenError> {
        Ok(Map { object: self.open(name, ObjectType::Map).await? })
    }
}

impl Map {
    /// What all objects have in common.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The value of a key.
    pub fn get(&self, key: impl Into<Bytes>) -> Read<Option<Versioned>> {
        let (id, key) = (self.object.id(), key.into());
        self.object.read(move |fields| Ok(fields.get(id, &key)?.map(Versioned::from)))
    }

    /// The keys from `from` on with their values, in order; at most `limit`, and at most
    /// [`SCAN_MAX`](crate::objects::SCAN_MAX).
    pub fn entries(&self, from: impl Into<Bytes>, limit: usize) -> Read<Vec<(Bytes, Versioned)>> {
        let range = KeyRange { from: from.into(), below: None };
        self.object.scan(range, limit, |key, field| (key, field.into()))
    }

    /// How many keys there are.
    pub fn len(&self) -> Read<u64> {
        self.object.count()
    }

    /// Sets the value of a key.
    pub fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Update<()> {
        self.object.update(Write::Put(key.into(), value.into()), |_| ())
    }

    /// Sets the value of a key if the key still has version `seen`. Otherwise the update is aborted. With
    /// [`Version::ZERO`] the key must not be there.
    pub fn put_if(&self, key: impl Into<Bytes>, value: impl Into<Bytes>, seen: Version) -> Update<()> {
        let key = key.into();
        self.put(key.clone(), value).expecting(key, seen)
    }

    /// Removes a key. Returns whether it was there.
    pub fn remove(&self, key: impl Into<Bytes>) -> Update<bool> {
        self.object.update_changed(Write::Remove(key.into()))
    }

    /// Removes a key that still has version `seen`. Else the update is aborted.
    pub fn remove_if(&self, key: impl Into<Bytes>, seen: Version) -> Update<bool> {
        let key = key.into();
        self.remove(key.clone()).expecting(key, seen)
    }
}
