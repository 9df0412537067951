//! Buffers that connections share: one has bytes in it for a moment, most have none.

/// Spare buffers kept, count.
const SPARES: usize = 256;

/// Largest buffer kept, bytes; with [`SPARES`] that is 4 MiB at the very most, and usually a tenth of it.
const SPARE_BYTES_MAX: usize = 16 << 10;

/// Size of a new buffer, bytes: a datagram of the usual largest size, or a tick's worth of small ones.
const NEW_BYTES: usize = 1_536;

#[derive(Debug, Default)]
pub(super) struct Pool {
    spares: Vec<Vec<u8>>,
}

impl Pool {
    /// An empty buffer with some room.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.spares.pop().unwrap_or_else(|| Vec::with_capacity(NEW_BYTES))
    }

    /// Takes a buffer back, whatever is in it.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        if (1..=SPARE_BYTES_MAX).contains(&buffer.capacity()) && self.spares.len() < SPARES {
            buffer.clear();
            self.spares.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_small_buffers_and_not_too_many() {
        let mut pool = Pool::default();
        pool.give(Vec::new());
        pool.give(Vec::with_capacity(SPARE_BYTES_MAX + 1));
        assert!(pool.spares.is_empty());
        pool.give(vec![7; 10]);
        assert!(pool.take().is_empty());
        for _ in 0..SPARES + 10 {
            pool.give(vec![7; 10]);
        }
        assert_eq!(pool.spares.len(), SPARES);
    }
}
