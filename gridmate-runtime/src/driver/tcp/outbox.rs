//! What waits to be written to one stream: frames, one behind the other, so that one system call can take them all.

use super::framer::{HEAD_BYTES, head};
use super::pool::Pool;

/// A bounded queue of frames. Holds a buffer only while something waits.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// Written up to here.
    start: usize,
    /// Where the first frame begins that is not written to its end.
    frame: usize,
}

/// Whole frames that left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) datagrams: u64,
    /// Their bytes, without the lengths in front.
    pub(super) bytes: u64,
}

impl Outbox {
    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// What to write next.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Appends one datagram; false when more than `limit` bytes would wait.
    pub(super) fn push(&mut self, datagram: &[u8], limit: usize, pool: &mut Pool) -> bool {
        let more = HEAD_BYTES + datagram.len();
        if self.waiting().len() + more > limit {
            return false;
        }
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        }
        if self.bytes.capacity() - self.bytes.len() < more {
            self.make_room(more, limit);
        }
        self.bytes.extend_from_slice(&head(datagram.len()));
        self.bytes.extend_from_slice(datagram);
        true
    }

    /// The first `written` bytes of [`waiting`](Self::waiting) are on their way.
    pub(super) fn consume(&mut self, written: usize, pool: &mut Pool) -> Written {
        self.start = (self.start + written).min(self.bytes.len());
        let mut left = Written::default();
        while let Some(len) = self.frame_len().filter(|len| self.frame + HEAD_BYTES + len <= self.start) {
            self.frame += HEAD_BYTES + len;
            left.datagrams += 1;
            left.bytes += len as u64;
        }
        if self.is_empty() {
            self.release(pool);
        }
        left
    }

    /// Drops what waits, and says how many datagrams that were; one that is half written is one of them.
    pub(super) fn clear(&mut self, pool: &mut Pool) -> u64 {
        let mut dropped = 0;
        while let Some(len) = self.frame_len() {
            self.frame += HEAD_BYTES + len;
            dropped += 1;
        }
        self.release(pool);
        dropped
    }

    fn release(&mut self, pool: &mut Pool) {
        pool.give(core::mem::take(&mut self.bytes));
        (self.start, self.frame) = (0, 0);
    }

    /// What is written makes room first; then the buffer grows, to `limit` at most and a frame that is half written.
    fn make_room(&mut self, more: usize, limit: usize) {
        self.bytes.drain(..self.frame);
        self.start -= self.frame;
        self.frame = 0;
        let wanted = self.bytes.len() + more;
        if wanted > self.bytes.capacity() {
            let capacity = (self.bytes.capacity() * 2).min(limit).max(wanted);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }

    fn frame_len(&self) -> Option<usize> {
        let head = self.bytes.get(self.frame..)?.first_chunk::<HEAD_BYTES>()?;
        Some(usize::from(u16::from_le_bytes(*head)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_frames_when_their_last_byte_leaves() {
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        assert!(outbox.push(b"abc", 100, &mut pool) && outbox.push(b"de", 100, &mut pool));
        assert_eq!(outbox.waiting(), b"\x03\0abc\x02\0de");
        assert_eq!(outbox.consume(4, &mut pool), Written::default());
        assert_eq!(outbox.consume(2, &mut pool), Written { datagrams: 1, bytes: 3 });
        assert_eq!(outbox.waiting(), b"\0de");
        assert_eq!(outbox.consume(3, &mut pool), Written { datagrams: 1, bytes: 2 });
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes.capacity(), 0, "given back");
    }

    #[test]
    fn refuses_what_is_beyond_the_limit() {
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        assert!(outbox.push(&[1; 8], 20, &mut pool) && outbox.push(&[2; 8], 20, &mut pool));
        assert!(!outbox.push(&[3; 1], 20, &mut pool));
        outbox.consume(3, &mut pool);
        assert!(outbox.push(&[3; 1], 20, &mut pool));
        assert_eq!(outbox.clear(&mut pool), 3, "half written ones are lost too");
        assert!(outbox.is_empty());
    }

    proptest! {
        #[test]
        fn bytes_leave_as_they_came_and_the_buffer_stays_within_its_limit(
            steps in prop::collection::vec((1_usize..1_500, 0_usize..4_000), 1..200),
        ) {
            const LIMIT: usize = 20_000;
            let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
            let (mut expected, mut pushed, mut left) = (VecDeque::new(), 0, 0);
            for (number, (len, written)) in steps.into_iter().enumerate() {
                let datagram = vec![number.to_le_bytes()[0]; len];
                if outbox.push(&datagram, LIMIT, &mut pool) {
                    pushed += 1;
                    expected.extend(head(len).into_iter().chain(datagram));
                }
                prop_assert!(outbox.bytes.capacity() <= LIMIT + 2 * 1_500);
                prop_assert!(outbox.waiting().iter().eq(expected.iter()));
                let written = written.min(outbox.waiting().len());
                expected.drain(..written);
                left += outbox.consume(written, &mut pool).datagrams;
            }
            prop_assert_eq!(left + outbox.clear(&mut pool), pushed);
        }
    }
}
