//! Decisions, read under the same models.

use super::contexts::{RECORD_PLACES, RECORDS, STEPS};
use super::model::{DECISIONS_PER_BIT, Models};
use super::range::Decoder;
use super::recorder::FlagPlace;
use super::{LARGE, class_start};
use crate::wire::forward::itself_as_stage;
use crate::wire::ladder::low_mask;
use crate::wire::{BitReader, Source, WireError};

/// Reads one message. Never panics, whatever the bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    models: &'a mut Models,
    decoder: Decoder<'a>,
    /// Bits without a model.
    raw: BitReader<'a>,
    /// Decisions that the input can still hold: whoever claims more has made it up.
    left: usize,
    place: FlagPlace,
    modelled: bool,
}

/// The memory of a [`Reader`], kept from message to message.
#[derive(Debug)]
pub(crate) struct ReaderModels {
    models: Models,
    /// The message from its end on.
    reversed: Vec<u8>,
}

impl Default for ReaderModels {
    fn default() -> Self {
        Self { models: Models::new(), reversed: Vec::new() }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(memory: &'a mut ReaderModels, bytes: &'a [u8]) -> Self {
        let ReaderModels { models, reversed } = memory;
        models.reset();
        reversed.clear();
        reversed.extend(bytes.iter().rev());
        Self {
            models,
            decoder: Decoder::new(bytes),
            raw: BitReader::new(reversed),
            left: DECISIONS_PER_BIT * 8 * (bytes.len() + 8),
            place: FlagPlace::default(),
            modelled: false,
        }
    }

    /// As [`Recorder::begin`](super::Recorder::begin).
    pub(crate) const fn begin(&mut self, class: u16, modelled: bool) {
        self.place = FlagPlace::begin(class);
        self.modelled = modelled;
    }

    /// As [`Writer::flag`](super::Writer::flag).
    #[inline]
    pub(crate) fn flag(&mut self, place: u16) -> Result<bool, WireError> {
        self.decision(RECORDS + place % RECORD_PLACES)
    }

    /// As [`Writer::step`](super::Writer::step).
    pub(crate) fn step(&mut self) -> Result<u32, WireError> {
        let class = self.tree(STEPS)?;
        let step = self.size(class)?;
        u32::try_from(step).map_err(|_| WireError::Invalid)
    }

    #[inline]
    fn decision(&mut self, context: u16) -> Result<bool, WireError> {
        self.left = self.left.checked_sub(1).ok_or(WireError::TooLong)?;
        let model = self.models.of(context);
        let value = self.decoder.decision(model.chance)?;
        model.learn(value);
        Ok(value)
    }

    #[inline]
    fn tree(&mut self, base: u16) -> Result<u16, WireError> {
        let mut node = 1;
        for _ in 0..5 {
            node = node << 1 | u16::from(self.decision(base + node)?);
        }
        Ok(node & 31)
    }

    #[inline]
    fn size(&mut self, class: u16) -> Result<u64, WireError> {
        if class == LARGE {
            return self.bits(32);
        }
        let (start, bits) = class_start(class);
        Ok(start | self.bits(bits)?)
    }
}

impl Source for Reader<'_> {
    itself_as_stage!();

    #[inline]
    fn is_modelled(&self) -> bool {
        self.modelled
    }

    fn bits(&mut self, count: u32) -> Result<u64, WireError> {
        self.raw.bits(count)
    }

    fn gamma(&mut self) -> Result<u32, WireError> {
        self.raw.gamma()
    }

    fn bytes(&mut self, out: &mut [u8]) -> Result<(), WireError> {
        self.raw.bytes(out)
    }

    #[inline]
    fn bool(&mut self) -> Result<bool, WireError> {
        self.differs(None)
    }

    #[inline]
    fn differs(&mut self, moved: Option<bool>) -> Result<bool, WireError> {
        if self.modelled {
            let context = self.place.next(moved);
            self.decision(context)
        } else {
            Ok(self.bits(1)? != 0)
        }
    }

    /// More may come of decisions; but what a length announces is reserved only as far as this goes.
    fn remaining(&self) -> usize {
        self.raw.remaining()
    }

    #[inline]
    fn residual(&mut self, expected: u64) -> Result<i64, WireError> {
        if !self.modelled {
            return self.raw.residual(expected);
        }
        let class = self.tree(self.place.size_tree(expected))?;
        let size = self.size(class)?;
        let size = size & low_mask(32);
        let negative = size != 0 && self.decision(self.place.sign())?;
        let size = size.cast_signed();
        Ok(if negative { -size } else { size })
    }
}
