//! What cannot be sent is not compiled: datasets and arguments are added up as they are listed.
//!
//! A type or codec says how many bits its largest values are known to need ([`Marshal::LARGEST_BITS`]). Where these come to more
//! than a limit, the list does not compile, and the error is at the field that brings it there. What has no known size counts
//! nothing, so there are no false alarms, and what gets through may still turn out too large when it is sent.
//!
//! [`Marshal::LARGEST_BITS`]: crate::wire::Marshal::LARGEST_BITS

use super::field::{Field, arg, dataset};
use crate::chunk::ArgDescriptor;
use crate::limits;
use crate::schema::{ChunkDescriptor, DatasetDescriptor};
use crate::wire::codec::{Predict, Quantize};
use crate::wire::{Codec, Marshal as _, Shape};

/// The datasets of a chunk.
pub type Datasets<const N: usize> = Listed<DatasetDescriptor, N>;

/// The arguments of an RPC.
pub type Args<const N: usize> = Listed<ArgDescriptor, N>;

/// A list in a constant, of what travels together.
#[derive(Clone, Copy, Debug)]
pub struct Listed<D, const N: usize> {
    /// What is in it.
    pub list: [D; N],
    len: usize,
    /// What all of it belongs to.
    of: &'static str,
    reliable: bool,
    bits: usize,
}

/// Starts the list of a chunk's datasets.
pub const fn datasets<const N: usize>(chunk: &'static str) -> Datasets<N> {
    Listed { list: [dataset("", <()>::shape); N], len: 0, of: chunk, reliable: false, bits: 0 }
}

/// Starts the list of an RPC's arguments, which is `reliable` or not.
pub const fn args<const N: usize>(rpc: &'static str, reliable: bool) -> Args<N> {
    Listed { list: [arg("", <()>::shape); N], len: 0, of: rpc, reliable, bits: 0 }
}

impl<const N: usize> Datasets<N> {
    /// Adds a dataset that can need so many bits.
    ///
    /// # Panics
    /// When all together need more than a record has.
    #[track_caller]
    pub const fn add(&mut self, name: &'static str, bits: usize, shape: fn() -> Shape) {
        self.bits = self.bits.saturating_add(bits);
        if self.bits > limits::RECORD_BYTES * 8 {
            let text = Text::new()
                .word("chunk `")
                .word(self.of)
                .word("` cannot be sent when everything changes: with dataset `")
                .word(name)
                .word("` it comes to ")
                .number(self.bits.div_ceil(8))
                .word(" bytes, and the state of a replica has at most ")
                .number(limits::RECORD_BYTES)
                .word("; split the chunk over several replicas, quantise, or give lists and text a smaller `max_len`");
            panic!("{}", text.as_str());
        }
        self.list[self.len] = dataset(name, shape);
        self.len += 1;
    }

    /// What the derive knows of a chunk without attributes.
    pub const fn descriptor(&'static self) -> ChunkDescriptor {
        ChunkDescriptor::new(self.of, &self.list)
    }
}

impl<const N: usize> Args<N> {
    /// Adds an argument that can need so many bits.
    ///
    /// # Panics
    /// When all together need more than such a call has.
    #[track_caller]
    pub const fn add(&mut self, name: &'static str, bits: usize, shape: fn() -> Shape) {
        self.bits = self.bits.saturating_add(bits);
        let (limit, kind) = if self.reliable {
            (limits::RPC_BYTES, "a reliable")
        } else {
            (limits::UNRELIABLE_RPC_BYTES, "an unreliable")
        };
        if self.bits > limit * 8 {
            let text = Text::new()
                .word("RPC `")
                .word(self.of)
                .word("` cannot be called with all that it takes: with argument `")
                .word(name)
                .word("` a call comes to ")
                .number(self.bits.div_ceil(8))
                .word(" bytes, and ")
                .word(kind)
                .word(" one has at most ")
                .number(limit)
                .word("; split the call, quantise, or give lists and text a smaller `max_len`");
            panic!("{}", text.as_str());
        }
        self.list[self.len] = arg(name, shape);
        self.len += 1;
    }
}

impl<T, C> Field<T, C> {
    /// Bits that the largest values are known to need.
    pub const fn bits(&self) -> usize
    where
        C: Codec<T>,
    {
        C::LARGEST_BITS
    }
}

impl<T> Field<T, Quantize> {
    /// As [`bits`](Self::bits), of a codec whose value is known: it says how wide a number is.
    pub const fn step_bits(&self) -> usize
    where
        Quantize: Codec<T>,
    {
        self.bits().saturating_mul(self.codec.width() as usize)
    }
}

impl<T> Field<T, Predict<Quantize>> {
    /// As [`bits`](Self::bits), of a codec whose value is known: it says how wide a number is.
    pub const fn step_bits(&self) -> usize
    where
        Quantize: Codec<T>,
    {
        self.bits().saturating_mul(self.codec.width() as usize)
    }
}

/// Bits of fields one after the other.
pub const fn sum_bits<const N: usize>(fields: [usize; N]) -> usize {
    let (mut sum, mut i) = (0_usize, 0);
    while i < N {
        sum = sum.saturating_add(fields[i]);
        i += 1;
    }
    sum
}

/// Bits of a tag and the largest of what may follow it.
pub const fn tagged_bits<const N: usize>(tag: u32, variants: [usize; N]) -> usize {
    let (mut most, mut i) = (0, 0);
    while i < N {
        if variants[i] > most {
            most = variants[i];
        }
        i += 1;
    }
    most.saturating_add(tag as usize)
}

/// A sentence that the compiler puts together. What does not fit is cut off.
struct Text {
    bytes: [u8; 512],
    len: usize,
}

impl Text {
    const fn new() -> Self {
        Self { bytes: [0; 512], len: 0 }
    }

    const fn word(mut self, word: &str) -> Self {
        let word = word.as_bytes();
        // All or nothing: half a word may be half a character.
        if self.len + word.len() > self.bytes.len() {
            return self;
        }
        let mut i = 0;
        while i < word.len() {
            self.bytes[self.len] = word[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    const fn number(self, number: usize) -> Self {
        const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let text = if number > 9 { self.number(number / 10) } else { self };
        text.word(DIGITS[number % 10])
    }

    const fn as_str(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.len);
        match core::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => "too large to be sent",
        }
    }
}
