//! All primaries of a type, one after the other: how a program's systems change what they are responsible for.

use core::ops::{Deref, DerefMut};

use super::{ReplicaManager, typed_mut};
use crate::chunk::ReplicaChunk;
use crate::ids::ReplicaId;

impl ReplicaManager {
    /// Every chunk of type `T` whose primary is here, to be changed, with the replica it belongs to: for what is done with all of them, as
    /// it looks no id up. What is written to is looked at in the next tick, as with [`primary_mut`](Self::primary_mut).
    ///
    /// They come in the order of their places: that of creation, but that a new one takes the place of one that is gone.
    ///
    /// ```
    /// # use gridmate_runtime::prelude::*;
    /// #[derive(Default, ReplicaChunk)]
    /// struct Body {
    ///     x: f32,
    ///     #[dataset(skip)]
    ///     speed: f32,
    /// }
    ///
    /// # let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Body>().build()?, 1);
    /// let still = replicas.add(Body { x: 1.0, speed: 0.0 })?;
    /// let mover = replicas.add(Body { x: 1.0, speed: 2.0 })?;
    /// for (_, mut body) in replicas.primaries_mut::<Body>() {
    ///     if body.speed != 0.0 {
    ///         body.x += body.speed; // which marks it, as reading does not
    ///     }
    /// }
    /// assert_eq!((replicas.get::<Body>(still)?.x, replicas.get::<Body>(mover)?.x), (1.0, 3.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn primaries_mut<T: ReplicaChunk>(&mut self) -> impl Iterator<Item = (ReplicaId, ChunkMut<'_, T>)> {
        let class = self.class_of::<T>();
        let Self { stores, entries, index, dying, .. } = self;
        let (entries, index, some_end) = (&*entries, &*index, !dying.is_empty());
        let (owned, values, marks) = match class {
            Some(class) => typed_mut::<T>(stores, class).walk(),
            None => Default::default(),
        };
        owned.iter().zip(values).zip(marks).filter_map(move |((owned, value), mark)| {
            let id = (*owned)?;
            let entry = || &entries[index[&id] as usize];
            debug_assert!(entry().is_primary(), "stores are told of every change of ownership");
            (!some_end || !entry().dying).then_some((id, ChunkMut { value, mark }))
        })
    }
}

/// A chunk that may be written to: one of [`ReplicaManager::primaries_mut`]. Reads are free; a write marks it as touched.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::ChunkMut;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Body {
///     x: f32,
/// }
///
/// fn push(mut body: ChunkMut<'_, Body>, by: f32) {
///     body.x += by;
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Body>().build()?, 1);
/// let id = replicas.add(Body { x: 1.0 })?;
/// replicas.primaries_mut().for_each(|(_, body)| push(body, 0.5));
/// assert_eq!(replicas.get::<Body>(id)?.x, 1.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ChunkMut<'a, T> {
    value: &'a mut T,
    mark: &'a mut bool,
}

impl<T> Deref for ChunkMut<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> DerefMut for ChunkMut<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        *self.mark = true;
        self.value
    }
}

impl<T: core::fmt::Debug> core::fmt::Debug for ChunkMut<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.value.fmt(f)
    }
}
