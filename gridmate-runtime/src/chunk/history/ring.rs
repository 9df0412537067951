//! Where the entries of a ring are, whatever they are.

/// Which of its places a ring goes round in, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// Where the oldest is.
    pub(super) first: u8,
    pub(super) len: u8,
    /// How many places, from the first on, are gone round in: as few as will do. More come out of those behind.
    pub(super) places: u8,
    /// Of entries; there may be a place more.
    pub(super) capacity: u8,
}

/// As many as there are, at most, of what is heard of in the tick after the one it was sent in.
const FEW: u8 = 4;

impl PartialEq for Round {
    /// All four at once.
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.word() == other.word()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "there are fewer than 256 places")]
impl Round {
    pub(super) const fn of(capacity: usize) -> Self {
        Self { first: 0, len: 0, places: 0, capacity: capacity as u8 }
    }

    #[inline(always)]
    pub(super) const fn word(self) -> u32 {
        u32::from_ne_bytes([self.first, self.len, self.places, self.capacity])
    }

    #[inline(always)]
    pub(super) const fn len(self) -> usize {
        self.len as usize
    }

    /// Where the entry at `index` from the oldest is. There are that many, or one less.
    #[inline(always)]
    pub(super) const fn place(self, index: usize) -> usize {
        let (place, places) = (self.first as usize + index, self.places as usize);
        if place >= places { place - places } else { place }
    }

    /// The index from the oldest of what is at a place.
    #[inline(always)]
    pub(super) const fn index(self, place: usize) -> usize {
        let first = self.first as usize;
        if place >= first { place - first } else { place + self.places as usize - first }
    }

    /// Without the oldest, of which there is one.
    #[inline(always)]
    pub(super) const fn without_oldest(self) -> Self {
        Self { first: self.place(1) as u8, len: self.len - 1, ..self }
    }

    /// Without what is older than the entry at a place.
    #[inline(always)]
    pub(super) const fn from(self, place: usize) -> Self {
        Self { first: place as u8, len: self.len - self.index(place) as u8, ..self }
    }

    /// Turned so that the next entry comes in a place.
    pub(super) const fn ending_at(self, next: usize) -> Self {
        Self { first: ((next + self.places as usize - self.len()) % self.places as usize) as u8, ..self }
    }

    /// In how many places to go round from now on, if that is another number: there has to be room for one more, and where far fewer would do, fewer
    /// places stay in the cache.
    #[inline(always)]
    pub(super) const fn better(self) -> Option<u8> {
        if self.len == self.places {
            return Some(self.places + 1);
        }
        if self.places > FEW && self.len < self.places / 3 {
            return Some(if self.len < FEW { FEW } else { self.len + 1 });
        }
        None
    }

    /// With one more, for which there is a place, and without the oldest if that is one too many.
    #[inline(always)]
    pub(super) const fn with_next(self) -> Self {
        let next = Self { len: self.len + 1, ..self };
        if next.len > next.capacity { next.without_oldest() } else { next }
    }
}
