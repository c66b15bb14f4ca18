//! [`Counter`]: a number to which others are added.

use bytes::Bytes;
use naxos_proto::codec::Reader;

use crate::objects::failure::Failure;
use crate::objects::fields::{Fields, Overlay};
use crate::objects::object::Object;
use crate::objects::object_id::ObjectId;
use crate::objects::object_type::ObjectType;
use crate::objects::objects::Objects;
use crate::objects::open_error::OpenError;
use crate::objects::output::Output;
use crate::objects::read::Read;
use crate::objects::refused::Refused;
use crate::objects::types::not_of_type;
use crate::objects::unreadable::Unreadable;
use crate::objects::update::Update;
use crate::objects::write::Write;

/// A number to which others are added. It begins at 0. An addition is not a read, so transactions that only add to a
/// counter do not abort one another.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let hits = objects.counter("hits").await?;
/// assert_eq!(hits.add(2).commit().await?.output, 2);
/// assert_eq!(hits.get().local()?, 2);
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Counter {
    object: Object,
}

impl Objects {
    /// Opens the counter of this name, or creates it.
    /// # Cancel safety
    /// If the future is dropped, the counter may have been created or not.
    pub async fn counter(&self, name: &str) -> Result<Counter, OpenError> {
        Ok(Counter { object: self.open(name, ObjectType::Counter).await? })
    }
}

impl Counter {
    /// What all objects have in common.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The sum.
    pub fn get(&self) -> Read<i64> {
        let id = self.object.id();
        self.object.read(move |fields| sum(fields, id))
    }

    /// Adds `by`, which may be negative. Returns the sum. Refused if the sum does not fit.
    pub fn add(&self, by: i64) -> Update<i64> {
        self.object.update(Write::Add(by), |output| match output {
            Output::Sum(sum) => sum,
            other => panic!("an addition outputs a sum, not {other:?}"),
        })
    }
}

fn sum(fields: &dyn Fields, object: ObjectId) -> Result<i64, Unreadable> {
    let Some(field) = fields.get(object, b"")? else { return Ok(0) };
    let mut r = Reader::new(field.value, "value of a counter");
    let sum = r.i64()?;
    r.end()?;
    Ok(sum)
}

pub(super) fn apply(fields: &mut Overlay<'_>, object: ObjectId, write: &Write) -> Result<Output, Failure> {
    let Write::Add(by) = write else { return Err(not_of_type(ObjectType::Counter, write)) };
    let at = sum(fields, object)?;
    let sum = at.checked_add(*by).ok_or(Refused::Overflow { at, by: *by })?;
    fields.put(object, Bytes::new(), sum.to_le_bytes().to_vec());
    Ok(Output::Sum(sum))
}
