//! References to entities.

use crate::ids::{EntityRef, MemberId, ReplicaId};
use crate::wire::codec::Native;
use crate::wire::{Codec, Marshal, Shape, Sink, Source, WireError};

/// An [`EntityRef`], or an `Option` of one, as the id of the replica behind the entity: what `#[dataset(entity)]` stands for.
///
/// `None` travels as a reference to nothing, and arrives as `None`.
///
/// | layout | bits |
/// |---|---|
/// | alone, to nothing | `0`: 1 |
/// | alone | `1`, creator and serial as `gamma`: 1 + (2⌊log₂ creator⌋ + 1) + (2⌊log₂ serial⌋ + 1); 15 for the host's hundredth |
/// | change, same creator | `1`, the serial's change as a `u32`: 7, 13, 21 or 35 |
/// | change, another creator or to nothing | `0`, then as alone |
/// | change from nothing | as alone |
///
/// ```
/// use gridmate_runtime::wire::{BitWriter, Codec, codec::ByReplica};
/// use gridmate_runtime::{EntityRef, MemberId, ReplicaId};
///
/// let mut w = BitWriter::new();
/// ByReplica.marshal(&EntityRef::new(ReplicaId { creator: MemberId::HOST, serial: 100 }), &mut w);
/// assert_eq!(w.len(), 15);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByReplica;

/// What [`ByReplica`] carries: [`EntityRef`] and `Option<EntityRef>`.
///
/// ```
/// use gridmate_runtime::wire::codec::RefersToEntity;
/// use gridmate_runtime::{EntityRef, MemberId, ReplicaId};
///
/// /// How many of them refer to something.
/// fn count<T: RefersToEntity>(references: &[T]) -> usize {
///     references.iter().filter(|reference| !reference.entity_ref().is_none()).count()
/// }
///
/// let ship = EntityRef::new(ReplicaId { creator: MemberId::HOST, serial: 7 });
/// assert_eq!(count(&[Some(ship), None]), 1);
/// assert_eq!(Option::from_entity_ref(ship), Some(ship));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no reference to an entity",
    label = "`entity` is for `EntityRef` and `Option<EntityRef>`",
    note = "for several references, derive `Marshal` on a struct with a field `#[marshal(entity)] EntityRef`, and put that in a list"
)]
pub trait RefersToEntity: sealed::Sealed {
    /// The reference, to nothing if there is none.
    fn entity_ref(&self) -> EntityRef;

    /// What stands for a reference.
    fn from_entity_ref(to: EntityRef) -> Self;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::EntityRef {}
    impl Sealed for Option<super::EntityRef> {}
}

impl RefersToEntity for EntityRef {
    #[inline]
    fn entity_ref(&self) -> EntityRef {
        *self
    }

    #[inline]
    fn from_entity_ref(to: EntityRef) -> Self {
        to
    }
}

impl RefersToEntity for Option<EntityRef> {
    #[inline]
    fn entity_ref(&self) -> EntityRef {
        self.unwrap_or_default()
    }

    #[inline]
    fn from_entity_ref(to: EntityRef) -> Self {
        to.replica().map(EntityRef::new)
    }
}

impl<T: RefersToEntity> Codec<T> for ByReplica {
    type Repr = EntityRef;

    fn shape(&self) -> Shape {
        Shape::leaf("entity")
    }

    #[inline]
    fn to_repr(&self, value: &T) -> EntityRef {
        value.entity_ref()
    }

    #[inline]
    fn from_repr(&self, repr: &EntityRef) -> T {
        T::from_entity_ref(*repr)
    }

    #[inline]
    fn encode(&self, repr: &EntityRef, w: &mut impl Sink) {
        write(*repr, w);
    }

    #[inline]
    fn decode(&self, r: &mut impl Source) -> Result<EntityRef, WireError> {
        read(r)
    }

    #[inline]
    fn encode_delta(&self, repr: &EntityRef, base: &EntityRef, w: &mut impl Sink) {
        write_change(*repr, *base, w);
    }

    #[inline]
    fn decode_delta(&self, repr: &mut EntityRef, r: &mut impl Source) -> Result<(), WireError> {
        *repr = read_change(*repr, r)?;
        Ok(())
    }
}

#[inline]
fn write(to: EntityRef, w: &mut impl Sink) {
    w.bool(to.replica().is_some());
    if let Some(id) = to.replica() {
        // Neither is 0: a reference names a replica of a session.
        w.gamma(id.creator.0);
        w.gamma(id.serial);
    }
}

#[inline]
fn read(r: &mut impl Source) -> Result<EntityRef, WireError> {
    if r.bool()? {
        checked(ReplicaId { creator: MemberId(r.gamma()?), serial: r.gamma()? })
    } else {
        Ok(EntityRef::NONE)
    }
}

#[inline]
fn write_change(to: EntityRef, base: EntityRef, w: &mut impl Sink) {
    let Some(base) = base.replica() else { return write(to, w) };
    match to.replica() {
        Some(id) if id.creator == base.creator => {
            w.bool(true);
            u32::encode_delta(&id.serial, &base.serial, w);
        }
        _ => {
            w.bool(false);
            write(to, w);
        }
    }
}

#[inline]
fn read_change(base: EntityRef, r: &mut impl Source) -> Result<EntityRef, WireError> {
    match base.replica() {
        Some(ReplicaId { creator, mut serial }) if r.bool()? => {
            u32::decode_delta(&mut serial, r)?;
            checked(ReplicaId { creator, serial })
        }
        _ => read(r),
    }
}

#[inline]
fn checked(id: ReplicaId) -> Result<EntityRef, WireError> {
    let to = EntityRef::new(id);
    if to.is_none() { Err(WireError::Invalid) } else { Ok(to) }
}

/// A type whose values travel without a word in the declaration: all that have a wire representation, and no reference.
///
/// Asked in one place, where a field is declared; for all other purposes a reference has its codec there too. So who forgets the
/// key reads of it once.
#[diagnostic::on_unimplemented(
    message = "a reference to an entity travels only where the declaration says that it is one",
    label = "this needs the key `entity`",
    note = "on the field of a chunk write `#[dataset(entity)]`; elsewhere `#[marshal(entity)]`"
)]
pub trait NeedsNoKey {}

impl<T: Marshal> NeedsNoKey for T {}

/// Never true. It keeps references within other types from travelling as if they were ordinary values, and says so.
#[diagnostic::on_unimplemented(
    message = "a reference to an entity travels only where the declaration says that it is one",
    label = "this needs the key `entity`",
    note = "on the field of a chunk write `#[dataset(entity)]`; elsewhere `#[marshal(entity)]`"
)]
pub trait Declared {}

/// Never true.
pub trait Never {}

macro_rules! needs_key {
    ($($reference:ty)*) => {$(
        // `for<'a>` keeps the compiler from deciding here that the bound is never met; it decides where the impl is wanted.
        #[diagnostic::do_not_recommend]
        impl NeedsNoKey for $reference where for<'a> $reference: Never {}

        impl Codec<$reference> for Native {
            type Repr = EntityRef;

            fn shape(&self) -> Shape {
                Codec::<$reference>::shape(&ByReplica)
            }

            fn to_repr(&self, value: &$reference) -> EntityRef {
                ByReplica.to_repr(value)
            }

            fn from_repr(&self, repr: &EntityRef) -> $reference {
                ByReplica.from_repr(repr)
            }

            fn encode(&self, repr: &EntityRef, w: &mut impl Sink) {
                write(*repr, w);
            }

            fn decode(&self, r: &mut impl Source) -> Result<EntityRef, WireError> {
                read(r)
            }
        }
    )*};
}
needs_key!(EntityRef Option<EntityRef>);

impl Marshal for EntityRef
where
    for<'a> Self: Declared,
{
    type Repr = Self;

    fn shape() -> Shape {
        Codec::<Self>::shape(&ByReplica)
    }

    fn to_repr(&self) -> Self {
        *self
    }

    fn from_repr(repr: &Self) -> Self {
        *repr
    }

    fn encode(repr: &Self, w: &mut impl Sink) {
        write(*repr, w);
    }

    fn decode(r: &mut impl Source) -> Result<Self, WireError> {
        read(r)
    }
}
