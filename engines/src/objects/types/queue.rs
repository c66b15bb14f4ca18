//! [`Queue`]: values that are taken in the order in which they were added.

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
use crate::objects::types::not_of_type;
use crate::objects::unreadable::Unreadable;
use crate::objects::update::Update;
use crate::objects::write::Write;

const HEAD: &[u8] = b"h";
const TAIL: &[u8] = b"t";

/// Values that are taken in the order in which they were added. A push is not a read, and looking at the first element
/// does not depend on pushes behind it. So within transactions a push aborts a pop only if the queue was empty.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let jobs = objects.queue("jobs").await?;
/// jobs.push("sweep").commit().await?;
/// assert_eq!(jobs.peek().local()?, Some("sweep".into()));
/// assert_eq!(jobs.pop().commit().await?.output, Some("sweep".into()));
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Queue {
    object: Object,
}

impl Objects {
    /// Opens the queue of this name, or creates it.
    /// # Cancel safety
    /// If the future is dropped, the queue may have been created or not.
    pub async fn queue(&self, name: &str) -> Result<Queue, OpenError> {
        Ok(Queue { object: self.open(name, ObjectType::Queue).await? })
    }
}

impl Queue {
    /// What all objects have in common.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The first element. `None` if the queue is empty.
    pub fn peek(&self) -> Read<Option<Bytes>> {
        let id = self.object.id();
        self.object
            .read(move |fields| Ok(fields.get(id, &element(number(fields, id, HEAD)?))?.map(|field| field.value)))
    }

    /// How many elements there are.
    pub fn len(&self) -> Read<u64> {
        let id = self.object.id();
        self.object.read(move |fields| Ok(number(fields, id, TAIL)? - number(fields, id, HEAD)?))
    }

    /// Adds an element at the end.
    pub fn push(&self, value: impl Into<Bytes>) -> Update<()> {
        self.object.update(Write::Push(value.into()), |_| ())
    }

    /// Takes the first element. Returns `None`, and changes nothing, if the queue is empty.
    pub fn pop(&self) -> Update<Option<Bytes>> {
        self.object.update(Write::Pop, |output| match output {
            Output::Taken(taken) => taken,
            other => panic!("a pop outputs an element, not {other:?}"),
        })
    }
}

fn element(number: u64) -> Vec<u8> {
    [&b"e"[..], &number.to_be_bytes()].concat()
}

/// The number in the field of the head or of the tail.
fn number(fields: &dyn Fields, object: ObjectId, key: &[u8]) -> Result<u64, Unreadable> {
    let Some(field) = fields.get(object, key)? else { return Ok(0) };
    let mut r = Reader::new(field.value, "head or tail of a queue");
    let number = r.u64()?;
    r.end()?;
    Ok(number)
}

pub(super) fn apply(fields: &mut Overlay<'_>, object: ObjectId, write: &Write) -> Result<Output, Failure> {
    match write {
        Write::Push(value) => {
            let tail = number(fields, object, TAIL)?;
            fields.put(object, element(tail), value.clone());
            fields.put(object, TAIL, (tail + 1).to_le_bytes().to_vec());
            Ok(Output::None)
        }
        Write::Pop => {
            let head = number(fields, object, HEAD)?;
            let Some(first) = fields.get(object, &element(head))? else { return Ok(Output::Taken(None)) };
            fields.delete(object, element(head));
            fields.put(object, HEAD, (head + 1).to_le_bytes().to_vec());
            Ok(Output::Taken(Some(first.value)))
        }
        other => Err(not_of_type(ObjectType::Queue, other)),
    }
}
