//! What somebody would write by hand who knows this one struct and the machine: the quantised fields in the fewest bits, put
//! together in registers and moved a word at a time.
//!
//! Both know that a rotation has length one and that names are at most 15 bytes, and use `f32` throughout.

use glam::{Quat, Vec3};

use crate::model::{Quantised, WEAPONS};

const METRES: f32 = 65535.0 / 512.0;
const METRE: f32 = 512.0 / 65535.0;
const HEALTHS: f32 = 255.0 / 100.0;
const HEALTH: f32 = 100.0 / 255.0;
const HALF: f32 = 511.0;
const COMPONENT: f32 = HALF * core::f32::consts::SQRT_2;

/// Bytes to have after the last item, so that whole words can be stored and loaded without looking.
pub const SLACK: usize = 24;
/// The most that an item can take.
pub const MOST: usize = (118 + 15 * 8_usize).div_ceil(8) + SLACK;

/// Bits one after the other, across items.
pub struct Packer<'a> {
    out: &'a mut [u8],
    at: usize,
    word: u64,
    filled: u32,
}

impl<'a> Packer<'a> {
    pub fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0, word: 0, filled: 0 }
    }

    /// `bits` is 1..=64 and nothing above them is set.
    #[inline(always)]
    fn put(&mut self, value: u64, bits: u32) {
        self.word |= value << self.filled;
        let filled = self.filled + bits;
        if filled >= 64 {
            self.store();
            self.at += 8;
            self.word = if self.filled == 0 { 0 } else { value >> (64 - self.filled) };
        }
        self.filled = filled & 63;
    }

    #[inline(always)]
    fn store(&mut self) {
        self.out[self.at..self.at + 8].copy_from_slice(&self.word.to_le_bytes());
    }

    #[inline(always)]
    pub fn item(&mut self, item: &Quantised) {
        let [x, y, z] = metres(item.position);
        self.put(head(item) | x << 34, 50);
        self.put(y | z << 16 | rotation(item.rotation) << 32, 64);
        let name = item.name.as_bytes();
        debug_assert!(name.len() <= 15);
        self.put(name.len() as u64, 4);
        let (first, rest) = name_words(name);
        if name.len() >= 8 {
            self.put(first, 64);
        }
        let left = name.len() as u32 % 8 * 8;
        if left != 0 {
            self.put(rest, left);
        }
    }

    /// Bytes used.
    pub fn finish(mut self) -> usize {
        self.store();
        self.at + self.filled.div_ceil(8) as usize
    }
}

/// The first eight bytes, and the others; the others alone when there are fewer than eight.
#[inline(always)]
fn name_words(name: &[u8]) -> (u64, u64) {
    match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            let rest = u64::from_le_bytes(*last).checked_shr(64 - name.len() as u32 % 8 * 8).unwrap_or(0);
            (u64::from_le_bytes(*first), rest)
        }
        _ => (0, name.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))),
    }
}

/// What [`Packer`] wrote.
pub struct Unpacker<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Unpacker<'a> {
    /// The last [`SLACK`] of `bytes` belong to no item.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len().saturating_sub(SLACK) * 8 }
    }

    /// At least 57 bits from the next on.
    #[inline(always)]
    fn peek(&self) -> Option<u64> {
        let word = self.bytes.get(self.at / 8..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*word) >> (self.at % 8))
    }

    #[inline(always)]
    fn get(&mut self, bits: u32) -> Option<u64> {
        let word = self.peek()? & ((1 << bits) - 1);
        self.at += bits as usize;
        Some(word)
    }

    #[inline(always)]
    pub fn item(&mut self) -> Option<Quantised> {
        let head = self.get(50)?;
        let yz = self.get(32)?;
        let rotation = self.get(32)?;
        let len = self.get(4)? as usize;
        let mut name = [0; 16];
        let words = [self.get(32)?, self.get(32)?, self.get(32)?, self.get(24)?];
        for (bytes, word) in name.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = (word as u32).to_le_bytes();
        }
        self.at = self.at + len * 8 - 120;
        if self.at > self.end {
            return None;
        }
        finish_item(head, (head >> 34) | yz << 16, rotation as u32, &name[..len])
    }
}

/// The same information with every group in words of its own, 16 bytes and the name: the fewest instructions.
#[inline(always)]
pub fn write_words(item: &Quantised, out: &mut [u8]) -> usize {
    let [x, y, z] = metres(item.position);
    let name = item.name.as_bytes();
    debug_assert!(name.len() <= 15);
    let low = head(item) | (name.len() as u64) << 34 | x << 48;
    let high = y | z << 16 | rotation(item.rotation) << 32;
    let (first, rest) = name_words(name);
    let out = &mut out[..MOST];
    out[..8].copy_from_slice(&low.to_le_bytes());
    out[8..16].copy_from_slice(&high.to_le_bytes());
    if name.len() >= 8 {
        out[16..24].copy_from_slice(&first.to_le_bytes());
        out[24..32].copy_from_slice(&rest.to_le_bytes());
    } else {
        out[16..24].copy_from_slice(&rest.to_le_bytes());
    }
    16 + name.len()
}

/// What [`write_words`] wrote, and its length.
#[inline(always)]
pub fn read_words(bytes: &[u8]) -> Option<(Quantised, usize)> {
    let (low, rest) = bytes.split_first_chunk::<8>()?;
    let (high, rest) = rest.split_first_chunk::<8>()?;
    let (low, high) = (u64::from_le_bytes(*low), u64::from_le_bytes(*high));
    let len = (low >> 34) as usize & 15;
    let item = finish_item(low, (low >> 48) | (high & 0xFFFF_FFFF) << 16, (high >> 32) as u32, rest.get(..len)?)?;
    Some((item, 16 + len))
}

/// id 20, flags 3, weapon 3, health 8.
#[inline(always)]
fn head(item: &Quantised) -> u64 {
    let health = ((item.health * HEALTHS + 0.5) as u32).min(255);
    u64::from(item.id & 0xF_FFFF)
        | u64::from(item.alive) << 20
        | u64::from(item.crouching) << 21
        | u64::from(item.firing) << 22
        | (item.weapon as u64) << 23
        | u64::from(health) << 26
}

#[inline(always)]
fn metres(position: Vec3) -> [u64; 3] {
    position.to_array().map(|metre| ((metre + 256.0) * METRES + 0.5) as u64).map(|code| code.min(0xFFFF))
}

#[inline(always)]
fn rotation(rotation: Quat) -> u64 {
    let [x, y, z, w] = rotation.to_array();
    let (xy, low) = if y.abs() > x.abs() { (y, 1) } else { (x, 0) };
    let (zw, high) = if w.abs() > z.abs() { (w, 3) } else { (z, 2) };
    let (largest, index) = if zw.abs() > xy.abs() { (zw, high) } else { (xy, low) };
    let others = match index {
        0 => [y, z, w],
        1 => [x, z, w],
        2 => [x, y, w],
        _ => [x, y, z],
    };
    let scale = COMPONENT.copysign(largest);
    let [a, b, c] = others.map(|other| u64::from(((other * scale + (HALF + 0.5)) as u32).min(1022)));
    index | a << 2 | b << 12 | c << 22
}

#[inline(always)]
fn finish_item(head: u64, position: u64, rotation: u32, name: &[u8]) -> Option<Quantised> {
    let metre = |from: u32| (position >> from & 0xFFFF) as f32 * METRE - 256.0;
    let component = |from: u32| ((rotation >> from & 0x3FF) as f32 - HALF) * (1.0 / COMPONENT);
    let [a, b, c] = [component(2), component(12), component(22)];
    let d = (1.0 - (a * a + b * b + c * c)).max(0.0).sqrt();
    let rotation = match rotation & 3 {
        0 => Quat::from_xyzw(d, a, b, c),
        1 => Quat::from_xyzw(a, d, b, c),
        2 => Quat::from_xyzw(a, b, d, c),
        _ => Quat::from_xyzw(a, b, c, d),
    };
    Some(Quantised {
        id: head as u32 & 0xF_FFFF,
        alive: head >> 20 & 1 == 1,
        crouching: head >> 21 & 1 == 1,
        firing: head >> 22 & 1 == 1,
        health: (head >> 26 & 0xFF) as f32 * HEALTH,
        position: Vec3::new(metre(0), metre(16), metre(32)),
        rotation,
        name: core::str::from_utf8(name).ok()?.to_owned(),
        weapon: *WEAPONS.get(head as usize >> 23 & 7)?,
    })
}
