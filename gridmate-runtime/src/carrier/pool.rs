//! Buffers that are used again and again.
//!
//! Every message is copied once on its way out and once on its way in. The copies live in `Vec`s taken from here and given
//! back, sorted into a few classes by capacity, so that a steady exchange allocates nothing and a one-byte message does not
//! hold a kilobyte.

use crate::limits;

/// Capacities handed out, bytes. A request takes the smallest class that holds it.
const CLASSES: [usize; 7] = [64, 256, 1_536, 8_192, 32_768, 131_072, 1 << 20];

/// Free buffers, by class.
#[derive(Debug, Default)]
pub(super) struct Pool {
    free: [Vec<Vec<u8>>; CLASSES.len()],
    /// Capacity of everything in `free`, bytes.
    held: usize,
}

impl Pool {
    /// An empty buffer that holds `len` bytes without growing.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        let Some(class) = class_of(len) else { return Vec::with_capacity(len) };
        match self.free[class].pop() {
            Some(buffer) => {
                self.held -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(CLASSES[class]),
        }
    }

    /// A buffer with a copy of `bytes`.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = self.take(bytes.len());
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// Appends `bytes` to `buffer`, moving to a larger pooled buffer instead of growing.
    pub(super) fn append(&mut self, buffer: &mut Vec<u8>, bytes: &[u8]) {
        let len = buffer.len() + bytes.len();
        if len > CLASSES[CLASSES.len() - 1] {
            // Beyond the classes it grows by doubling, as vectors do.
        } else if len > buffer.capacity() {
            let mut larger = self.take(len);
            larger.extend_from_slice(buffer);
            self.give(core::mem::replace(buffer, larger));
        }
        buffer.extend_from_slice(bytes);
    }

    /// Takes a buffer back. Keeps it unless enough are kept already.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        let Some(class) = class_for(capacity) else { return };
        // A giant would sit among the large ones and be handed out for one of them.
        if capacity > 2 * CLASSES[CLASSES.len() - 1] {
            return;
        }
        if self.held + capacity > limits::POOL_BYTES {
            return;
        }
        buffer.clear();
        self.held += capacity;
        self.free[class].push(buffer);
    }
}

/// The class that a request of that length takes from.
fn class_of(len: usize) -> Option<usize> {
    CLASSES.iter().position(|&size| size >= len)
}

/// The class that a buffer of that capacity is of.
fn class_for(capacity: usize) -> Option<usize> {
    CLASSES.iter().rposition(|&size| size <= capacity)
}

/// What is to be queued, and how it becomes a buffer of its own.
pub(super) trait Bytes: AsRef<[u8]> {
    fn into_pooled(self, pool: &mut Pool) -> Vec<u8>;
}

impl Bytes for &[u8] {
    fn into_pooled(self, pool: &mut Pool) -> Vec<u8> {
        pool.copy(self)
    }
}

/// Gives its memory away for other memory, unless it is too large for what is in it.
impl Bytes for &mut Vec<u8> {
    fn into_pooled(self, pool: &mut Pool) -> Vec<u8> {
        let class = class_of(self.len());
        if class.is_some() && class == class_for(self.capacity()) {
            let other = pool.take(self.len());
            core::mem::replace(self, other)
        } else {
            pool.copy(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_to_whoever_needs_its_size() {
        let mut pool = Pool::default();
        let buffer = pool.copy(&[7; 100]);
        let place = buffer.as_ptr();
        pool.give(buffer);
        let (small, large) = (pool.take(30), pool.take(256));
        assert_ne!(small.as_ptr(), place, "a small request must not hold a larger buffer");
        assert_eq!(large.as_ptr(), place);
    }

    #[test]
    fn what_is_large_enough_changes_hands_and_what_is_too_large_is_copied() {
        let mut pool = Pool::default();
        for (len, capacity, given) in [
            (1_000, 1_536, true),
            (1_000, 2_000, true),
            (100, 1_536, false),
            (1_000, 1_100, false),
            (2 << 20, 2 << 20, false),
        ] {
            let mut message = Vec::with_capacity(capacity);
            message.resize(len, 7);
            let place = message.as_ptr();
            let pooled = (&mut message).into_pooled(&mut pool);
            assert!(pooled.iter().all(|byte| *byte == 7) && pooled.len() == len);
            assert_eq!(pooled.as_ptr() == place, given, "{len} of {capacity}");
            assert!(!given || message.is_empty() && message.capacity() >= len, "there is room for the next");
            pool.give(pooled);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut pool = Pool::default();
        for _ in 0..200 {
            pool.give(Vec::with_capacity(1 << 20));
        }
        assert!(pool.held <= limits::POOL_BYTES);
    }

    #[test]
    fn appending_moves_to_larger_buffers() {
        let mut pool = Pool::default();
        let mut buffer = pool.take(1);
        for i in 0..=255 {
            pool.append(&mut buffer, &[i; 100]);
        }
        assert_eq!(buffer.len(), 25_600);
        assert!(buffer.chunks(100).enumerate().all(|(i, part)| part.iter().all(|&b| usize::from(b) == i)));
    }
}
