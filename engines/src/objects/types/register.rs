//! [`Register`]: one value.

use bytes::Bytes;

use crate::objects::object::Object;
use crate::objects::object_type::ObjectType;
use crate::objects::objects::Objects;
use crate::objects::open_error::OpenError;
use crate::objects::read::Read;
use crate::objects::update::Update;
use crate::objects::write::Write;

/// One value.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let last = objects.register("last").await?;
/// last.set("sky").commit().await?;
/// assert_eq!(last.get().local()?, Some("sky".into()));
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Register {
    object: Object,
}

impl Objects {
    /// Opens the register of this name, or creates it.
    /// # Cancel safety
    /// If the future is dropped, the register may have been created or not.
    pub async fn register(&self, name: &str) -> Result<Register, OpenError> {
        Ok(Register { object: self.open(name, ObjectType::Register).await? })
    }
}

impl Register {
    /// What all objects have in common.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The value. `None` if it was never set, or removed.
    pub fn get(&self) -> Read<Option<Bytes>> {
        let id = self.object.id();
        self.object.read(move |fields| Ok(fields.get(id, b"")?.map(|field| field.value)))
    }

    /// Sets the value.
    pub fn set(&self, value: impl Into<Bytes>) -> Update<()> {
        self.object.update(Write::Put(Bytes::new(), value.into()), |_| ())
    }

    /// Removes the value.
    pub fn clear(&self) -> Update<()> {
        self.object.update(Write::Remove(Bytes::new()), |_| ())
    }
}
