//! Datagrams in a stream of bytes, and back.
//!
//! A frame is a length, two bytes, little-endian, and as many bytes. Nothing here knows a socket: bytes go in as they come,
//! cut anywhere, and whole datagrams come out. A stream whose length is zero or larger than agreed has lost its frames, or
//! never had any, and cannot be read on.

use super::pool::Pool;

/// Size of the length in front of each datagram, bytes.
pub(super) const HEAD_BYTES: usize = 2;

/// Puts one stream's datagrams together again.
///
/// Holds a buffer only while a datagram is half here.
#[derive(Debug)]
pub(super) struct Framer {
    /// The beginning of a frame whose end has not come, its length included.
    partial: Vec<u8>,
    /// Largest datagram that is taken, bytes.
    max: usize,
}

/// The length of a frame is zero or larger than any that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadLength;

impl Framer {
    /// Takes datagrams of 1 to `max` bytes.
    pub(super) const fn new(max: usize) -> Self {
        Self { partial: Vec::new(), max }
    }

    /// Takes the stream's next bytes and hands over each datagram that they complete.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        pool: &mut Pool,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), BadLength> {
        if !self.partial.is_empty() {
            // First the length, without which nobody knows how much more belongs to it.
            self.fill(HEAD_BYTES, &mut bytes);
            let Some(len) = self.length(&self.partial)? else { return Ok(()) };
            self.fill(HEAD_BYTES + len, &mut bytes);
            if self.partial.len() < HEAD_BYTES + len {
                return Ok(());
            }
            sink(&self.partial[HEAD_BYTES..]);
            self.release(pool);
        }
        // The rest is whole frames where they lie, mostly.
        while let Some(len) = self.length(bytes)? {
            let Some((datagram, rest)) = bytes[HEAD_BYTES..].split_at_checked(len) else { break };
            sink(datagram);
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.partial = pool.take();
            self.partial.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Gives the buffer back, and with it what was half here.
    pub(super) fn release(&mut self, pool: &mut Pool) {
        pool.give(core::mem::take(&mut self.partial));
    }

    /// Moves bytes over until `partial` has `target` of them.
    fn fill(&mut self, target: usize, bytes: &mut &[u8]) {
        let missing = target.saturating_sub(self.partial.len()).min(bytes.len());
        let (now, later) = bytes.split_at(missing);
        self.partial.extend_from_slice(now);
        *bytes = later;
    }

    /// The length at the front of `frame`; `None` when it is not all here.
    fn length(&self, frame: &[u8]) -> Result<Option<usize>, BadLength> {
        match *frame {
            [low, high, ..] => match usize::from(u16::from_le_bytes([low, high])) {
                len if len == 0 || len > self.max => Err(BadLength),
                len => Ok(Some(len)),
            },
            _ => Ok(None),
        }
    }
}

/// The length as it goes in front of a datagram. Callers have checked that it fits.
pub(super) fn head(len: usize) -> [u8; HEAD_BYTES] {
    debug_assert!(len != 0 && len <= usize::from(u16::MAX));
    u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 65_535;

    fn stream(datagrams: &[Vec<u8>]) -> Vec<u8> {
        datagrams.iter().flat_map(|it| head(it.len()).into_iter().chain(it.iter().copied())).collect()
    }

    /// What comes out when the stream comes in these pieces.
    fn reassembled<'a>(max: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, BadLength> {
        let (mut framer, mut pool, mut out) = (Framer::new(max), Pool::default(), Vec::new());
        for piece in pieces {
            framer.feed(piece, &mut pool, |datagram| out.push(datagram.to_vec()))?;
        }
        assert_eq!(framer.partial.capacity(), 0, "nothing is half here, so nothing is held");
        Ok(out)
    }

    fn patterned(len: usize) -> Vec<u8> {
        (0..=250).cycle().skip(len % 7).take(len).collect()
    }

    #[test]
    fn every_size_up_to_the_largest_comes_through() {
        // One framer for all; each frame in three pieces: within the length, one byte short of the end, and the end.
        let (mut framer, mut pool) = (Framer::new(MAX), Pool::default());
        let body = patterned(MAX);
        let sizes = (1..=2_100).chain((2_100..MAX).step_by(977)).chain([4_094, 4_095, 4_096, 32_768, MAX - 1, MAX]);
        for len in sizes {
            let mut out = 0;
            let head = head(len);
            let mut take = |piece: &[u8]| {
                framer.feed(piece, &mut pool, |datagram| {
                    assert_eq!(datagram, &body[..len]);
                    out += 1;
                })
            };
            take(&head[..1]).unwrap();
            take(&[&head[1..], &body[..len - 1]].concat()).unwrap();
            take(&body[len - 1..len]).unwrap();
            assert_eq!(out, 1, "{len}");
        }
    }

    #[test]
    fn scenario_14a_every_single_cut_is_the_same_to_it() {
        let datagrams = [vec![1], patterned(2), patterned(300), vec![9; 1], patterned(255), patterned(256)];
        let stream = stream(&datagrams);
        for cut in 0..=stream.len() {
            let (before, after) = stream.split_at(cut);
            assert_eq!(reassembled(300, [before, after]).unwrap(), datagrams, "cut at {cut}");
        }
        assert_eq!(reassembled(300, stream.chunks(1)).unwrap(), datagrams, "byte by byte");
    }

    #[test]
    fn lengths_that_nobody_sends_end_the_stream() {
        for bad in [0, 301, 65_535_u16] {
            let stream = [&stream(&[vec![7; 300]])[..], &bad.to_le_bytes(), &[0; 10]].concat();
            for cut in 0..=stream.len() {
                let (before, after) = stream.split_at(cut);
                assert_eq!(reassembled(300, [before, after]), Err(BadLength), "{bad} cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn scenario_14a_any_frames_cut_anywhere_come_out_whole(
            datagrams in prop::collection::vec(
                prop_oneof![prop::collection::vec(any::<u8>(), 1..40), (1_usize..=MAX).prop_map(patterned)],
                0..8,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let stream = stream(&datagrams);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(stream.len());
            let mut from = 0;
            let pieces: Vec<_> = cuts
                .into_iter()
                .map(|to| {
                    let piece = &stream[from..to];
                    from = to;
                    piece
                })
                .collect();
            prop_assert_eq!(reassembled(MAX, pieces).unwrap(), datagrams);
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..20)) {
            let (mut framer, mut pool) = (Framer::new(500), Pool::default());
            for piece in pieces {
                if framer.feed(&piece, &mut pool, |datagram| assert!((1..=500).contains(&datagram.len()))).is_err() {
                    break;
                }
                prop_assert!(framer.partial.len() < HEAD_BYTES + 500);
            }
        }
    }
}
