//! The floor: what encoding once and copying to every peer takes when nothing is promised. One struct that is known when it is
//! compiled, the baseline is what was sent last, nobody acknowledges anything, nobody receives.

use core::hint::black_box;

use crate::model::Body;
use crate::rig::{Rig, Traffic};

/// Bits of a datagram before the next is begun.
const DATAGRAM_BITS: usize = 1_200 * 8;

#[derive(Clone, Copy, Default, PartialEq)]
struct Snapshot {
    id: u32,
    health: u32,
    position: [u32; 3],
    alive: bool,
}

pub struct Floor {
    current: Vec<Snapshot>,
    base: Vec<Snapshot>,
    encoded: Bits,
    /// Where each entity's bits are in `encoded`, and how many.
    ranges: Vec<(usize, usize)>,
    datagrams: Vec<Bits>,
    traffic: Traffic,
}

impl Floor {
    pub fn new(bodies: &[Body], clients: usize) -> Self {
        let current: Vec<_> = bodies.iter().map(Snapshot::of).collect();
        Self {
            base: current.clone(),
            encoded: Bits::new(bodies.len() * 32),
            ranges: Vec::with_capacity(bodies.len()),
            datagrams: (0..clients).map(|_| Bits::new(1_400)).collect(),
            traffic: Traffic::default(),
            current,
        }
    }

    fn encode(&mut self) {
        let Self { current, base, encoded, ranges, .. } = self;
        encoded.clear();
        ranges.clear();
        let mut last = 0;
        for (place, (now, base)) in (1..).zip(current.iter().zip(base)) {
            let changed =
                [now.id != base.id, now.health != base.health, now.position != base.position, now.alive != base.alive];
            let mask = changed.iter().rev().fold(0, |mask, changed| mask << 1 | u64::from(*changed));
            if mask == 0 {
                continue;
            }
            let start = encoded.len;
            encoded.gamma(place - last);
            last = place;
            encoded.put(mask, 4);
            if changed[1] {
                encoded.delta(base.health, now.health);
            }
            if changed[2] {
                (0..3).for_each(|axis| encoded.delta(base.position[axis], now.position[axis]));
            }
            ranges.push((start, encoded.len - start));
        }
    }

    fn copy(&mut self) {
        let Self { encoded, ranges, datagrams, traffic, .. } = self;
        for datagram in datagrams {
            datagram.begin();
            for (start, len) in &*ranges {
                if datagram.len + len > DATAGRAM_BITS {
                    datagram.leave(traffic);
                    datagram.begin();
                }
                datagram.append(&encoded.words, *start, *len);
            }
            datagram.leave(traffic);
        }
    }
}

impl Snapshot {
    fn of(body: &Body) -> Self {
        let Body { id, health, position, alive } = *body;
        Self { id, health: health.to_bits(), position: position.map(f32::to_bits), alive }
    }
}

impl Rig for Floor {
    fn write_health(&mut self, bodies: &[Body]) {
        for (snapshot, body) in self.current.iter_mut().zip(bodies) {
            snapshot.health = body.health.to_bits();
        }
    }

    fn write_position(&mut self, bodies: &[Body]) {
        for (snapshot, body) in self.current.iter_mut().zip(bodies) {
            snapshot.position = body.position.map(f32::to_bits);
        }
    }

    fn serve(&mut self) {
        self.encode();
        self.copy();
        self.base.copy_from_slice(&self.current);
    }

    fn follow(&mut self, _client: usize) {}

    fn clients(&self) -> usize {
        self.datagrams.len()
    }

    fn join(&mut self) {}

    fn leave(&mut self) {}

    fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn count(&mut self, _client: usize) -> usize {
        self.current.len()
    }

    fn seen(&mut self, _client: usize) -> Option<Vec<Body>> {
        None
    }
}

/// Bits in words, the lowest first.
struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    fn new(bytes: usize) -> Self {
        Self { words: vec![0; bytes / 8 + 2], len: 0 }
    }

    fn clear(&mut self) {
        self.len = 0;
        self.words[0] = 0;
    }

    /// With as much of a header as a datagram will have.
    fn begin(&mut self) {
        self.clear();
        self.put(0x1234, 64);
    }

    fn leave(&self, traffic: &mut Traffic) {
        traffic.down_bytes += self.len.div_ceil(8) as u64;
        traffic.down_datagrams += 1;
        black_box(&self.words);
    }

    #[inline]
    fn put(&mut self, value: u64, bits: usize) {
        let (word, offset) = (self.len >> 6, self.len & 63);
        self.words[word] |= value << offset;
        if offset + bits > 64 {
            self.words[word + 1] = value >> (64 - offset);
        } else if offset + bits == 64 {
            self.words[word + 1] = 0;
        }
        self.len += bits;
    }

    #[inline]
    fn append(&mut self, source: &[u64], mut at: usize, mut left: usize) {
        while left > 0 {
            let bits = left.min(32);
            let (word, offset) = (at >> 6, at & 63);
            let mut value = source[word] >> offset;
            if offset + bits > 64 {
                value |= source[word + 1] << (64 - offset);
            }
            self.put(value & ((1 << bits) - 1), bits);
            at += bits;
            left -= bits;
        }
    }

    #[inline]
    fn gamma(&mut self, value: u32) {
        let bits = 32 - value.leading_zeros() as usize;
        self.put(0, bits - 1);
        self.put(1, 1);
        self.put(u64::from(value) & ((1 << (bits - 1)) - 1), bits - 1);
    }

    #[inline]
    fn delta(&mut self, base: u32, new: u32) {
        let distance = new.wrapping_sub(base).cast_signed();
        let folded = u64::from((distance << 1 ^ distance >> 31).cast_unsigned());
        match folded {
            0..0x4000 => self.put(folded << 2, 16),
            0x4000..0x40_0000 => self.put(folded << 2 | 1, 24),
            _ => self.put(u64::from(new) << 2 | 2, 34),
        }
    }
}
