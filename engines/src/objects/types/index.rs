//! [`Index`]: an ordered map that is read by ranges.

use bytes::Bytes;

use crate::objects::fields::KeyRange;
use crate::objects::object::Object;
use crate::objects::object_type::ObjectType;
use crate::objects::objects::Objects;
use crate::objects::open_error::OpenError;
use crate::objects::read::Read;
use crate::objects::update::Update;
use crate::objects::write::Write;

/// Values by key, in the order of the keys' bytes, read by ranges of keys.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let due = objects.index("due").await?;
/// due.put("2026-11-30/job 1", "sweep").commit().await?;
/// due.put("2026-12-24/job 2", "decorate").commit().await?;
/// let december = due.range("2026-12-01", Some("2027-01-01".into()), 10).local()?;
/// assert_eq!((december.len(), &december[0].1[..]), (1, &b"decorate"[..]));
/// assert_eq!(due.beginning_with("2026-11", 10).local()?.len(), 1);
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Index {
    object: Object,
}

impl Objects {
    /// Opens the index of this name, or creates it.
    /// # Cancel safety
    /// If the future is dropped, the index may have been created or not.
    pub async fn index(&self, name: &str) -> Result<Index, OpenError> {
        Ok(Index { object: self.open(name, ObjectType::Index).await? })
    }
}

impl Index {
    /// What all objects have in common.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The value of a key.
    pub fn get(&self, key: impl Into<Bytes>) -> Read<Option<Bytes>> {
        let (id, key) = (self.object.id(), key.into());
        self.object.read(move |fields| Ok(fields.get(id, &key)?.map(|field| field.value)))
    }

    /// The keys from `from` on and below `below`, in order and with their values. If `below` is `None`, the range has no
    /// end. Returns at most `limit` keys, and never more than [`SCAN_MAX`](crate::objects::SCAN_MAX).
    pub fn range(&self, from: impl Into<Bytes>, below: Option<Bytes>, limit: usize) -> Read<Vec<(Bytes, Bytes)>> {
        self.scan(KeyRange { from: from.into(), below }, limit)
    }

    /// The keys that begin with `prefix`, with their values and in order; at most `limit`, and at
    /// most [`SCAN_MAX`](crate::objects::SCAN_MAX).
    pub fn beginning_with(&self, prefix: impl AsRef<[u8]>, limit: usize) -> Read<Vec<(Bytes, Bytes)>> {
        self.scan(KeyRange::beginning_with(prefix.as_ref()), limit)
    }

    fn scan(&self, range: KeyRange, limit: usize) -> Read<Vec<(Bytes, Bytes)>> {
        self.object.scan(range, limit, |key, field| (key, field.value))
    }

    /// How many keys there are.
    pub fn len(&self) -> Read<u64> {
        self.object.count()
    }

    /// Sets the value of a key.
    pub fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Update<()> {
        self.object.update(Write::Put(key.into(), value.into()), |_| ())
    }

    /// Removes a key. Returns whether it was there.
    pub fn remove(&self, key: impl Into<Bytes>) -> Update<bool> {
        self.object.update_changed(Write::Remove(key.into()))
    }
}
