//! The second coder: bits that cost what they were likely to be.
//!
//! [`BitWriter`](super::BitWriter) gives every word a fixed code. Here each decision (does this dataset differ, how large is the
//! error of a guess, is the next record of an object that moved before) is first given a probability by a model, and then
//! costs the logarithm of that: almost nothing when it was expected. An arithmetic coder turns the decisions of a whole
//! message into one number.
//!
//! ```text
//!            Sink                          play                 finish
//!   codec ─────────▶ Recorder: symbols ─────────▶ Writer: models ─────────▶ bytes     encoded once, played for each peer
//!   codec ◀───────── Reader: models ◀──────────────────────────────────────
//! ```
//!
//! - **What is likely** follows from what both ends know: the base, what was before it, and what the message has said so far.
//!   Every message starts from the same models and is read alone, whatever became of others.
//! - **Symbols** are decisions with the names of their models, before any probability. They depend on the object and the
//!   basis alone, so they are made once for all peers, like the bits of the other coder; only the arithmetic is done for each.
//! - The models start from what motion is generally like (`prior`), and learn within the message.

pub mod bare;
mod model;
mod prior;
mod range;
mod reader;
mod recorder;
mod writer;

pub(crate) use reader::{Reader, ReaderModels};
pub(crate) use recorder::{Recorder, Symbols};
pub(crate) use writer::Writer;

/// Names of the models: where in the table of contexts they are.
mod contexts {
    /// Flags of chunks, by chunk type and place; three for each: nothing known, stood still, moved.
    pub(super) const FLAGS: u16 = 0;
    /// Places of flags that are told apart.
    pub(super) const FLAG_PLACES: u16 = 256;
    /// Sizes of residuals, by place and by what was expected.
    pub(super) const SIZES: u16 = FLAGS + 3 * FLAG_PLACES;
    /// Places of residuals that are told apart.
    pub(super) const SIZE_PLACES: u16 = 4;
    /// Classes of expectation.
    pub(super) const EXPECTATIONS: u16 = 28;
    /// Nodes of the tree that a size is found in.
    pub(super) const NODES: u16 = 32;
    /// Whether errors are along the motion, by place.
    pub(super) const SIGNS: u16 = SIZES + SIZE_PLACES * EXPECTATIONS * NODES;
    /// Flags and sizes about records rather than values.
    pub(super) const RECORDS: u16 = SIGNS + SIZE_PLACES;
    /// Places of those that are told apart.
    pub(super) const RECORD_PLACES: u16 = 16;
    /// Sizes of steps between ids.
    pub(super) const STEPS: u16 = RECORDS + RECORD_PLACES;
    /// All of them.
    pub(super) const COUNT: usize = (STEPS + NODES) as usize;
}

/// The class of a size: 0, 1, 2 and 3 are themselves; from there on two classes for each doubling, and how many bits tell the
/// numbers of a class apart. The last class, 31, is everything from 2^16 on: 32 bits follow.
#[inline]
const fn class(size: u64) -> (u16, u32) {
    if size < 4 {
        #[expect(clippy::cast_possible_truncation, reason = "below four")]
        return (size as u16, 0);
    }
    let octave = size.ilog2();
    if octave > 15 {
        return (LARGE, 32);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 31")]
    let class = 2 * octave as u16 + (size >> (octave - 1) & 1) as u16;
    if class >= LARGE { (LARGE, 32) } else { (class, octave - 1) }
}

/// The smallest size of a class below [`LARGE`], and how many bits follow.
#[inline]
const fn class_start(class: u16) -> (u64, u32) {
    if class < 4 {
        return (class as u64, 0);
    }
    let octave = class as u32 / 2;
    ((2 + class as u64 % 2) << (octave - 1), octave - 1)
}

/// The class of sizes that are told by 32 bits.
const LARGE: u16 = 31;

/// The class of an expectation.
#[inline]
const fn expectation(expected: u64) -> u16 {
    let (class, _) = class(expected);
    if class >= contexts::EXPECTATIONS { contexts::EXPECTATIONS - 1 } else { class }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Marshal, Sink, Source, WireError};

    /// Something said to a coder.
    #[derive(Clone, Debug, PartialEq)]
    enum Word {
        Bits(u64, u32),
        Flag(bool, Option<bool>),
        Residual(i64, u64),
        Gamma(u32),
        Varint(u64),
        Bytes(Vec<u8>),
    }

    fn word() -> impl Strategy<Value = Word> {
        prop_oneof![
            (any::<u64>(), 0u32..=64)
                .prop_map(|(bits, count)| Word::Bits(bits & crate::wire::ladder::low_mask(count), count)),
            (any::<bool>(), any::<Option<bool>>()).prop_map(|(flag, moved)| Word::Flag(flag, moved)),
            (any::<i32>(), 0u32..32, any::<u64>(), 0u32..64)
                .prop_map(|(value, shift, expected, less)| Word::Residual((value >> shift).into(), expected >> less)),
            (1u32.., 0u32..32).prop_map(|(value, shift)| Word::Gamma((value >> shift).max(1))),
            (any::<u64>(), 0u32..64).prop_map(|(value, shift)| Word::Varint(value >> shift)),
            prop::collection::vec(any::<u8>(), 0..5).prop_map(Word::Bytes),
        ]
    }

    fn say(word: &Word, w: &mut impl Sink) {
        match word {
            Word::Bits(bits, count) => w.bits(*bits, *count),
            Word::Flag(flag, moved) => w.differs(*flag, *moved),
            Word::Residual(value, expected) => w.residual(*value, *expected),
            Word::Gamma(value) => w.gamma(*value),
            Word::Varint(value) => w.varint(*value),
            Word::Bytes(bytes) => w.bytes(bytes),
        }
    }

    /// Reads the word that has the form of this one.
    fn hear(like: &Word, r: &mut impl Source) -> Result<Word, WireError> {
        Ok(match like {
            Word::Bits(_, count) => Word::Bits(r.bits(*count)?, *count),
            Word::Flag(_, moved) => Word::Flag(r.differs(*moved)?, *moved),
            Word::Residual(_, expected) => Word::Residual(r.residual(*expected)?, *expected),
            Word::Gamma(_) => Word::Gamma(r.gamma()?),
            Word::Varint(_) => Word::Varint(r.varint()?),
            Word::Bytes(bytes) => {
                let mut out = vec![0; bytes.len()];
                r.bytes(&mut out)?;
                Word::Bytes(out)
            }
        })
    }

    proptest! {
        #[test]
        fn what_was_said_is_heard(chunks in prop::collection::vec((0u16..5, any::<bool>(), prop::collection::vec(word(), 0..20)), 0..20), steps in prop::collection::vec((0u16..16, any::<bool>(), any::<u32>(), 0u32..32), 0..20)) {
            let (mut recorder, mut writer) = (Recorder::default(), Writer::default());
            let mut models = ReaderModels::default();
            for _ in 0..2 {
                recorder.clear();
                writer.start(b"head");
                let mut cost = 0;
                for (class, modelled, words) in &chunks {
                    let start = recorder.len();
                    recorder.begin(*class, *modelled);
                    words.iter().for_each(|word| say(word, &mut recorder));
                    let symbols = Symbols { start, len: recorder.len() - start };
                    cost += writer.cost(&recorder, symbols);
                    writer.play(&recorder, symbols);
                }
                for (place, flag, step, shift) in &steps {
                    writer.flag(*place, *flag);
                    writer.step(step >> shift);
                }
                let bound = writer.len();
                let bytes = writer.finish();
                prop_assert!(bytes.len() <= bound && cost <= 16 * 8 * bound);
                let mut r = Reader::new(&mut models, &bytes[4..]);
                for (class, modelled, words) in &chunks {
                    r.begin(*class, *modelled);
                    for word in words {
                        prop_assert_eq!(&hear(word, &mut r).unwrap(), word);
                    }
                }
                for (place, flag, step, shift) in &steps {
                    prop_assert_eq!(r.flag(*place), Ok(*flag));
                    prop_assert_eq!(r.step(), Ok(step >> shift));
                }
            }
        }

        /// What a codec says has to be asked for in the same words: a flag is under a model, a bit is not.
        #[test]
        fn values_and_changes_come_back(
            numbers in any::<[(u8, i16, u32, i64, u128, f32, f64); 2]>(),
            small in any::<[(bool, char, Option<u16>, Result<u8, i32>, [f64; 2], [u16; 3]); 2]>(),
            lists in any::<[(Vec<u8>, String, BTreeMap<u8, Option<i16>>, BTreeSet<u16>, Vec<Option<f64>>); 2]>(),
            modelled in any::<bool>(),
        ) {
            comes_back(&numbers, modelled);
            comes_back(&small, modelled);
            comes_back(&lists, modelled);
        }

        #[test]
        fn no_bytes_panic_and_the_end_is_found(bytes in prop::collection::vec(any::<u8>(), 0..60), words in prop::collection::vec(word(), 1..20)) {
            let mut models = ReaderModels::default();
            let mut r = Reader::new(&mut models, &bytes);
            r.begin(0, true);
            // Every word of these takes something of what there is, at least now and then.
            let mut heard = 0;
            while heard < 100_000 && words.iter().chain([&Word::Bits(0, 7)]).all(|word| hear(word, &mut r).is_ok()) {
                heard += 1;
            }
            prop_assert!(heard < 100_000);
        }
    }

    fn comes_back<T: Marshal<Repr: core::fmt::Debug>>([base, now]: &[T; 2], modelled: bool) {
        let (base, now) = (base.to_repr(), now.to_repr());
        let (mut recorder, mut writer) = (Recorder::default(), Writer::default());
        recorder.begin(1, modelled);
        T::encode(&now, &mut recorder);
        T::encode_delta(&now, &base, &mut recorder);
        T::encode(&base, &mut recorder);
        writer.start(b"");
        writer.play(&recorder, Symbols { start: 0, len: recorder.len() });
        let bytes = writer.finish();
        let (mut models, mut changed) = (ReaderModels::default(), base.clone());
        let mut r = Reader::new(&mut models, bytes);
        r.begin(1, modelled);
        assert_eq!(T::decode(&mut r).as_ref(), Ok(&now));
        assert_eq!((T::decode_delta(&mut changed, &mut r), &changed), (Ok(()), &now));
        assert_eq!(T::decode(&mut r), Ok(base), "and nothing else was read");
    }

    #[test]
    fn classes_are_stretches_in_order() {
        let mut next = 0;
        for of in 0..LARGE {
            let (start, bits) = class_start(of);
            assert_eq!(start, next, "class {of} begins where the one before ends");
            next = start + (1 << bits);
            assert_eq!((class(start), class(next - 1)), ((of, bits), (of, bits)));
        }
        assert_eq!([next, u64::from(u32::MAX)].map(|size| class(size).0), [LARGE; 2]);
    }
}
