//! Sets of bits of any length.

use bitvec::field::BitField;
use bitvec::order::{BitOrder, Lsb0};
use bitvec::slice::BitSlice;
use bitvec::store::BitStore;
use bitvec::vec::BitVec;

use super::list::{fits, read_len, write_len};
use super::splice::Splice;
use crate::limits::ELEMENTS;
use crate::wire::{Marshal, Shape, Sink, Source, WireError};

/// Length in bits as a varint, then the bits; a change is a splice of bits. What store and order the program chose does not
/// matter. One flag of a thousand costs at most 24 bits.
impl<T: BitStore, O: BitOrder> Marshal for BitVec<T, O> {
    type Repr = BitVec<u8, Lsb0>;

    fn shape() -> Shape {
        Shape::leaf("bits")
    }

    fn to_repr(&self) -> Self::Repr {
        self.iter().by_vals().collect()
    }

    fn capture(&self, into: &mut Self::Repr) {
        into.clear();
        into.extend(self.iter().by_vals());
    }

    fn from_repr(repr: &Self::Repr) -> Self {
        repr.iter().by_vals().collect()
    }

    fn assign(&mut self, repr: &Self::Repr) {
        self.clear();
        self.extend(repr.iter().by_vals());
    }

    fn encode(repr: &Self::Repr, w: &mut impl Sink) {
        if write_len(repr.len(), w) {
            write(repr, w);
        }
    }

    fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
        let len = read_len(r)?;
        let mut repr = BitVec::new();
        append(&mut repr, len, r)?;
        Ok(repr)
    }

    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        if fits(repr.len(), ELEMENTS, w) {
            let splice = Splice::between(base.len(), repr.len(), |old, new| base[old] == repr[new]);
            splice.write(base.len(), w);
            write(&repr[splice.at..][..splice.inserted], w);
        }
    }

    fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        let Splice { at, removed, inserted } = Splice::read(repr.len(), ELEMENTS, r)?;
        repr.drain(at..at + removed);
        append(repr, inserted, r)?;
        repr[at..].rotate_right(inserted);
        Ok(())
    }
}

fn write(bits: &BitSlice<u8, Lsb0>, w: &mut impl Sink) {
    for word in bits.chunks(64) {
        #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
        w.bits(word.load_le(), word.len() as u32);
    }
}

fn append(bits: &mut BitVec<u8, Lsb0>, count: usize, r: &mut impl Source) -> Result<(), WireError> {
    if r.remaining() < count {
        return Err(WireError::UnexpectedEnd);
    }
    let end = bits.len();
    bits.resize(end + count, false);
    for word in bits[end..].chunks_mut(64) {
        #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
        word.store_le(r.bits(word.len() as u32)?);
    }
    Ok(())
}
