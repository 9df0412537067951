//! What a link answers: when a datagram arrives, how often, and in what shape.

use crate::rng::Rng;
use crate::time::Instant;

/// Bits that are turned over in one datagram at most, count.
pub(super) const CORRUPT_BITS_MAX: usize = 8;

/// The arrivals of one datagram: none, one, or two when it was duplicated.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Link, LinkConfig, Refusal};
///
/// let mut copier = Link::new(LinkConfig { duplicate: 1.0, ..LinkConfig::perfect() }, 7)?;
/// assert_eq!(copier.schedule(Instant::ZERO, 100).as_slice().len(), 2);
///
/// let mut hole = Link::new(LinkConfig { loss: 1.0, ..LinkConfig::perfect() }, 7)?;
/// let nothing = hole.schedule(Instant::ZERO, 100);
/// assert_eq!((nothing.as_slice().len(), nothing.refusal()), (0, Some(Refusal::Lost)));
/// # Ok::<(), gridmate_runtime::sim::LinkConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deliveries {
    items: [Delivery; 2],
    len: usize,
    refusal: Option<Refusal>,
}

impl Deliveries {
    /// The datagram does not arrive.
    #[must_use]
    pub const fn refused(refusal: Refusal) -> Self {
        Self { items: [Delivery::intact(Instant::ZERO); 2], len: 0, refusal: Some(refusal) }
    }

    /// It arrives once.
    #[must_use]
    pub const fn once(delivery: Delivery) -> Self {
        Self { items: [delivery; 2], len: 1, refusal: None }
    }

    /// It arrives, and so does a copy.
    #[must_use]
    pub const fn twice(original: Delivery, copy: Delivery) -> Self {
        Self { items: [original, copy], len: 2, refusal: None }
    }

    /// The arrivals, the original's before its copy's. Their times need not ascend.
    #[must_use]
    pub fn as_slice(&self) -> &[Delivery] {
        &self.items[..self.len]
    }

    /// Why there is none; `None` when there is one.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }
}

impl<'a> IntoIterator for &'a Deliveries {
    type Item = &'a Delivery;
    type IntoIter = core::slice::Iter<'a, Delivery>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

/// The arrival of one datagram, or of one copy.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Link, LinkConfig};
///
/// let mut link = Link::new(LinkConfig { corrupt: 1.0, ..LinkConfig::perfect() }, 7)?;
/// let mut datagram = b"hello".to_vec();
/// for delivery in &link.schedule(Instant::ZERO, datagram.len()) {
///     delivery.damage.apply(&mut datagram);
///     assert_eq!((delivery.at, delivery.held_back, delivery.marked), (Instant::ZERO, false, false));
/// }
/// assert_ne!(datagram, b"hello");
/// # Ok::<(), gridmate_runtime::sim::LinkConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub at: Instant,
    /// Whether it was held back so that others may overtake it.
    pub held_back: bool,
    /// Whether the network marked it: a queue on the way is filling up.
    pub marked: bool,
    /// What is done to its bytes.
    pub damage: Damage,
}

impl Delivery {
    /// In order, unmarked and unharmed.
    #[must_use]
    pub const fn intact(at: Instant) -> Self {
        Self { at, held_back: false, marked: false, damage: Damage::NONE }
    }
}

/// Why a datagram does not arrive.
///
/// ```
/// use gridmate_runtime::Instant;
/// use gridmate_runtime::sim::{Link, LinkConfig, Refusal};
///
/// let modem = LinkConfig { bytes_per_second: Some(5_000), queue_bytes: 2_000, ..LinkConfig::perfect() };
/// let mut link = Link::new(modem, 7)?;
/// let burst: Vec<_> = (0..2).map(|_| link.schedule(Instant::ZERO, 1_200).refusal()).collect();
/// assert_eq!(burst, [None, Some(Refusal::QueueFull)]);
/// # Ok::<(), gridmate_runtime::sim::LinkConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Lost on the way.
    Lost,
    /// Lost while the link was in its bad state, and would not have been otherwise.
    LostInBurst,
    /// It found the bottleneck's queue full.
    QueueFull,
    /// It is longer than what the link carries.
    TooLong,
}

/// What the way does to a datagram's bytes. Bits are turned over first, then the end is cut off, then bytes are appended.
///
/// ```
/// use gridmate_runtime::sim::Damage;
///
/// let mut datagram = b"hello".to_vec();
/// Damage::NONE.bit(0).truncated(4).apply(&mut datagram);
/// assert_eq!(datagram, b"iell");
/// Damage::NONE.truncated(0).extended(3, 7).apply(&mut datagram);
/// assert_eq!(datagram.len(), 3);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    bits: [usize; CORRUPT_BITS_MAX],
    bit_count: usize,
    keep: Option<usize>,
    append: usize,
    filler: u64,
}

impl Damage {
    /// Nothing happens to it.
    pub const NONE: Self = Self { bits: [0; CORRUPT_BITS_MAX], bit_count: 0, keep: None, append: 0, filler: 0 };

    /// This, and a bit turned over, counted from the lowest bit of the first byte. A bit that was named before, one behind
    /// the end and a ninth one change nothing.
    #[must_use]
    pub fn bit(mut self, bit: usize) -> Self {
        if self.bit_count < CORRUPT_BITS_MAX && !self.bits().contains(&bit) {
            self.bits[self.bit_count] = bit;
            self.bit_count += 1;
        }
        self
    }

    /// This, with only the first `keep` bytes left.
    #[must_use]
    pub const fn truncated(self, keep: usize) -> Self {
        Self { keep: Some(keep), ..self }
    }

    /// This, with `append` bytes at the end that `filler` decides.
    #[must_use]
    pub const fn extended(self, append: usize, filler: u64) -> Self {
        Self { append, filler, ..self }
    }

    /// Whether nothing happens.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.bit_count == 0 && self.keep.is_none() && self.append == 0
    }

    /// The bits to turn over.
    #[must_use]
    pub fn bits(&self) -> &[usize] {
        &self.bits[..self.bit_count]
    }

    /// The length, bytes, of what was `bytes` bytes long.
    #[must_use]
    pub fn len_after(&self, bytes: usize) -> usize {
        self.keep.map_or(bytes, |keep| keep.min(bytes)).saturating_add(self.append)
    }

    /// Does it.
    pub fn apply(&self, datagram: &mut Vec<u8>) {
        for bit in self.bits() {
            if let Some(byte) = datagram.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        if let Some(keep) = self.keep {
            datagram.truncate(keep);
        }
        let mut filler = Rng::new(self.filler);
        datagram.extend((0..self.append).map(|_| filler.next_u64().to_le_bytes()[0]));
    }
}
