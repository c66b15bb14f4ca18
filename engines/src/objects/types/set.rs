//! [`Set`]: members without values.

use bytes::Bytes;

use crate::objects::fields::KeyRange;
use crate::objects::object::Object;
use crate::objects::object_type::ObjectType;
use crate::objects::objects::Objects;
use crate::objects::open_error::OpenError;
use crate::objects::read::Read;
use crate::objects::update::Update;
use crate::objects::write::Write;

/// Members without values.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let running = objects.set("running").await?;
/// assert!(running.add("job 1").commit().await?.output, "it is new");
/// assert!(running.contains("job 1").local()?);
/// assert_eq!(running.members("", 10).local()?, ["job 1"]);
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Set {
    object: Object,
}

impl Objects {
    /// Opens the set of this name, or creates it.
    /// # Cancel safety
    /// If the future is dropped, the set may have been created or not.
    pub async fn set(&self, name: &str) -> Result<Set, OpenError> {
        Ok(Set { object: self.open(name, ObjectType::Set).await? })
    }
}

impl Set {
    /// What all objects have in common.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Whether the set has this member.
    pub fn contains(&self, member: impl Into<Bytes>) -> Read<bool> {
        let (id, member) = (self.object.id(), member.into());
        self.object.read(move |fields| Ok(fields.get(id, &member)?.is_some()))
    }

    /// The members from `from` on, in the order of their bytes; at most `limit`, and at most
    /// [`SCAN_MAX`](crate::objects::SCAN_MAX).
    pub fn members(&self, from: impl Into<Bytes>, limit: usize) -> Read<Vec<Bytes>> {
        self.object.scan(KeyRange { from: from.into(), below: None }, limit, |member, _| member)
    }

    /// How many members there are.
    pub fn len(&self) -> Read<u64> {
        self.object.count()
    }

    /// Adds a member. Returns whether it is new.
    pub fn add(&self, member: impl Into<Bytes>) -> Update<bool> {
        self.object.update_changed(Write::Put(member.into(), Bytes::new()))
    }

    /// Removes a member. Returns whether it was there.
    pub fn remove(&self, member: impl Into<Bytes>) -> Update<bool> {
        self.object.update_changed(Write::Remove(member.into()))
    }
}
