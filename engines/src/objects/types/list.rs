//! [`List`]: values in an order that their callers choose.

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::Reader;

use crate::objects::failure::Failure;
use crate::objects::fields::{Fields, KeyRange, Overlay};
use crate::objects::limits::{LIST_LEN_MAX, SCAN_MAX};
use crate::objects::object::Object;
use crate::objects::object_id::ObjectId;
use crate::objects::object_type::ObjectType;
use crate::objects::objects::Objects;
use crate::objects::open_error::OpenError;
use crate::objects::output::Output;
use crate::objects::read::Read;
use crate::objects::refused::Refused;
use crate::objects::rows::field::Field;
use crate::objects::types::not_of_type;
use crate::objects::unreadable::Unreadable;
use crate::objects::update::Update;
use crate::objects::write::Write;

const HEADER: &[u8] = b"h";
const ORDER: &[u8] = b"o";
/// The place of the first element.
const MIDDLE: u64 = 1 << 63;
/// The gap between the places of two elements that are pushed one after the other. So at least 44 elements can be
/// inserted at one place, or half a million at an end, before all places are given anew.
const GAP: u64 = 1 << 44;

/// Values in an order that their callers choose. A list has at most [`LIST_LEN_MAX`] elements. A read of an element
/// depends on the whole list, because each insertion moves the elements behind it. An access to element n reads n small
/// rows.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let store = naxos::Naxos::memory().await?;
/// # let objects = store.objects().await?;
/// let steps = objects.list("steps").await?;
/// steps.push("paint").commit().await?;
/// steps.insert(0, "sand").commit().await?;
/// assert_eq!(steps.items(0, 10).local()?, ["sand", "paint"]);
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct List {
    object: Object,
}

impl Objects {
    /// Opens the list of this name, or creates it.
    /// # Cancel safety
    /// If the future is dropped, the list may have been created or not.
    pub async fn list(&self, name: &str) -> Result<List, OpenError> {
        Ok(List { object: self.open(name, ObjectType::List).await? })
    }
}

impl List {
    /// What all objects have in common.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The element at an index. The first one has 0.
    pub fn get(&self, index: u64) -> Read<Option<Bytes>> {
        let id = self.object.id();
        self.object.read(move |fields| Ok(elements(fields, id, index, 1)?.pop()))
    }

    /// The elements from an index on; at most `limit`, and at most [`SCAN_MAX`].
    pub fn items(&self, from: u64, limit: usize) -> Read<Vec<Bytes>> {
        let id = self.object.id();
        self.object.read(move |fields| elements(fields, id, from, limit.min(SCAN_MAX)))
    }

    /// How many elements there are.
    pub fn len(&self) -> Read<u64> {
        let id = self.object.id();
        self.object.read(move |fields| Ok(Header::load(fields, id)?.len))
    }

    /// Adds an element at the end.
    pub fn push(&self, value: impl Into<Bytes>) -> Update<()> {
        self.object.update(Write::Push(value.into()), |_| ())
    }

    /// Inserts an element before the one that has this index now, or at the end if the index is the length. Refused if
    /// the index is larger than the length, or if the list is full.
    pub fn insert(&self, index: u64, value: impl Into<Bytes>) -> Update<()> {
        self.object.update(Write::Insert(index, value.into()), |_| ())
    }

    /// Sets the element at an index. Refused if there is none.
    pub fn replace(&self, index: u64, value: impl Into<Bytes>) -> Update<()> {
        self.object.update(Write::Replace(index, value.into()), |_| ())
    }

    /// Takes the element at an index out of the list. Refused if there is none.
    pub fn take(&self, index: u64) -> Update<Bytes> {
        self.object.update(Write::Take(index), |output| match output {
            Output::Taken(Some(taken)) => taken,
            other => panic!("expected the element that was taken, found {other:?}"),
        })
    }
}

/// A place and the number of the element that is there.
struct Placed {
    place: u64,
    number: Bytes,
}

impl Placed {
    fn element(&self) -> Vec<u8> {
        [b"e", &self.number[..]].concat()
    }
}

/// An index or a length, as a number of this machine. No list is longer than [`LIST_LEN_MAX`].
fn small(index: u64) -> usize {
    usize::try_from(index.min(LIST_LEN_MAX)).expect("a small number")
}

fn order(place: u64) -> Vec<u8> {
    [ORDER, &place.to_be_bytes()].concat()
}

/// The first elements, at most `count`, without their values.
fn places(fields: &dyn Fields, object: ObjectId, count: usize) -> Result<Vec<Placed>, Unreadable> {
    let found = fields.scan(object, &KeyRange::beginning_with(ORDER), count)?;
    let placed = |(key, field): (Bytes, Field)| {
        let place = key[1..].try_into().expect("a place has 8 bytes");
        Placed { place: u64::from_be_bytes(place), number: field.value }
    };
    Ok(found.into_iter().map(placed).collect())
}

fn elements(fields: &dyn Fields, object: ObjectId, from: u64, limit: usize) -> Result<Vec<Bytes>, Unreadable> {
    let from = small(from);
    let mut found = Vec::new();
    for placed in places(fields, object, from + limit)?.into_iter().skip(from) {
        found.extend(fields.get(object, &placed.element())?.map(|field| field.value));
    }
    Ok(found)
}

/// What the list knows of itself, in a field of its own.
struct Header {
    /// The number of the next element. Numbers are not used again.
    next: u64,
    /// A place below which all elements are.
    end: u64,
    /// How many elements there are.
    len: u64,
}

impl Header {
    fn load(fields: &dyn Fields, object: ObjectId) -> Result<Self, Unreadable> {
        let Some(field) = fields.get(object, HEADER)? else { return Ok(Self { next: 0, end: MIDDLE, len: 0 }) };
        let mut r = Reader::new(field.value, "header of a list");
        let header = Self { next: r.u64()?, end: r.u64()?, len: r.u64()? };
        r.end()?;
        Ok(header)
    }

    fn store(&self, fields: &mut Overlay<'_>, object: ObjectId) {
        let mut out = BytesMut::with_capacity(24);
        out.put_u64_le(self.next);
        out.put_u64_le(self.end);
        out.put_u64_le(self.len);
        fields.put(object, HEADER, out);
    }
}

/// The place for an element before the one with this index, or at the end. `None` if there is no room for it.
fn place_at(fields: &Overlay<'_>, object: ObjectId, index: u64, header: &Header) -> Result<Option<u64>, Unreadable> {
    if index == header.len {
        return Ok(header.end.checked_add(GAP).map(|_| header.end));
    }
    let around = places(fields, object, small(index) + 1)?;
    let behind = around[small(index)].place;
    let Some(before) = index.checked_sub(1) else {
        return Ok(behind.checked_sub(GAP).or(Some(behind / 2)).filter(|place| *place < behind));
    };
    let before = around[small(before)].place;
    Ok(Some(before + (behind - before) / 2).filter(|place| *place > before))
}

/// Gives all elements new places, with gaps between them.
fn place_anew(fields: &mut Overlay<'_>, object: ObjectId, header: &mut Header) -> Result<(), Unreadable> {
    let all = places(fields, object, small(header.len))?;
    for placed in &all {
        fields.delete(object, order(placed.place));
    }
    header.end = MIDDLE;
    for placed in all {
        fields.put(object, order(header.end), placed.number);
        header.end += GAP;
    }
    Ok(())
}

fn insert(
    fields: &mut Overlay<'_>,
    object: ObjectId,
    index: u64,
    mut header: Header,
    value: &Bytes,
) -> Result<Output, Failure> {
    if header.len >= LIST_LEN_MAX {
        return Err(Refused::ListFull.into());
    }
    let place = match place_at(fields, object, index, &header)? {
        Some(place) => place,
        None => {
            place_anew(fields, object, &mut header)?;
            place_at(fields, object, index, &header)?.expect("there are gaps now")
        }
    };
    let placed = Placed { place, number: header.next.to_be_bytes().to_vec().into() };
    fields.put(object, placed.element(), value.clone());
    fields.put(object, order(place), placed.number);
    if index == header.len {
        header.end = place + GAP;
    }
    header.next += 1;
    header.len += 1;
    header.store(fields, object);
    Ok(Output::None)
}

pub(super) fn apply(fields: &mut Overlay<'_>, object: ObjectId, write: &Write) -> Result<Output, Failure> {
    let mut header = Header::load(fields, object)?;
    let len = header.len;
    match write {
        Write::Push(value) => insert(fields, object, len, header, value),
        Write::Insert(index, value) if *index <= len => insert(fields, object, *index, header, value),
        Write::Insert(index, _) | Write::Replace(index, _) | Write::Take(index) if *index >= len => {
            Err(Refused::OutOfList { index: *index, len }.into())
        }
        Write::Replace(index, value) => {
            let placed = places(fields, object, small(*index) + 1)?.swap_remove(small(*index));
            fields.put(object, placed.element(), value.clone());
            Ok(Output::None)
        }
        Write::Take(index) => {
            let placed = places(fields, object, small(*index) + 1)?.swap_remove(small(*index));
            let taken = fields.get(object, &placed.element())?.map(|field| field.value);
            fields.delete(object, placed.element());
            fields.delete(object, order(placed.place));
            header.len -= 1;
            header.store(fields, object);
            Ok(Output::Taken(taken))
        }
        other => Err(not_of_type(ObjectType::List, other)),
    }
}
