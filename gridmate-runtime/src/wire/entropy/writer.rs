//! Symbols, under the models of one message.

use super::contexts::{RECORD_PLACES, RECORDS, STEPS};
use super::model::Models;
use super::range::Encoder;
use super::recorder::{Recorder, Symbols};
use super::{LARGE, class};
use crate::wire::forward::itself_as_stage;
use crate::wire::ladder::low_mask;
use crate::wire::{BitWriter, Sink, WireError};

/// Writes one message at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    models: Models,
    encoder: Encoder,
    /// Bits without a model.
    raw: BitWriter,
}

impl Default for Writer {
    fn default() -> Self {
        Self { models: Models::new(), encoder: Encoder::new(), raw: BitWriter::new() }
    }
}

impl Writer {
    /// Starts a message with bytes that are written as they are.
    pub(crate) fn start(&mut self, head: &[u8]) {
        self.models.reset();
        self.raw.clear();
        self.encoder.start(head);
    }

    /// Writes what was recorded.
    pub(crate) fn play(&mut self, recorder: &Recorder, symbols: Symbols) {
        for symbol in recorder.symbols(symbols) {
            match symbol.parts() {
                Ok((context, value)) => self.decision(context, value),
                Err((value, count)) => self.raw.bits(value.into(), count),
            }
        }
    }

    /// Bits that [`play`](Self::play) would take, within a few in a hundred.
    pub(crate) fn cost(&self, recorder: &Recorder, symbols: Symbols) -> usize {
        let sixteenths: u32 = recorder
            .symbols(symbols)
            .iter()
            .map(|symbol| match symbol.parts() {
                Ok((context, value)) => {
                    let chance = self.models.chance(context);
                    cost(if value { chance } else { !chance })
                }
                Err((_, count)) => count * 16,
            })
            .sum();
        sixteenths.div_ceil(16) as usize
    }

    /// Writes a flag about records; `place` is below 16.
    #[inline]
    pub(crate) fn flag(&mut self, place: u16, value: bool) {
        self.decision(RECORDS + place % RECORD_PLACES, value);
    }

    /// Writes a number that is probably small.
    pub(crate) fn step(&mut self, step: u32) {
        let (class, bits) = class(step.into());
        let mut node = 1;
        for bit in (0..5).rev() {
            let value = class >> bit & 1;
            self.decision(STEPS + node, value == 1);
            node = node << 1 | value;
        }
        self.bits(if class == LARGE { step.into() } else { u64::from(step) & low_mask(bits) }, bits);
    }

    /// Bytes so far, and those it takes to end.
    pub(crate) fn len(&self) -> usize {
        self.encoder.len() + self.raw.len().div_ceil(8)
    }

    /// Ends the message and shows its bytes.
    pub(crate) fn finish(&mut self) -> &[u8] {
        let out = self.encoder.finish();
        out.extend(self.raw.finish().iter().rev());
        out
    }

    #[inline]
    fn decision(&mut self, context: u16, value: bool) {
        let model = self.models.of(context);
        self.encoder.decision(value, model.chance);
        model.learn(value);
    }
}

/// Without models, as it stands at the head of a message.
impl Sink for Writer {
    itself_as_stage!();

    fn bits(&mut self, value: u64, count: u32) {
        self.raw.bits(value, count);
    }

    fn fail(&mut self, error: WireError) {
        debug_assert!(false, "nothing about records has a limit: {error}");
    }
}

/// The bits of a decision with this chance, in sixteenths.
#[inline]
fn cost(chance: u16) -> u32 {
    COSTS[usize::from(chance >> 10)]
}

/// -16 log₂ of the chances in the middle of 64 equal stretches.
const COSTS: [u32; 64] = {
    let mut costs = [0; 64];
    let mut i = 0;
    while i < 64 {
        // By repeated squaring: the bits of the logarithm, from the highest on.
        let mut x = 64.0 / (i as f64 + 0.5);
        let mut whole = 0;
        while x >= 2.0 {
            x /= 2.0;
            whole += 16;
        }
        let mut step = 8;
        while step > 0 {
            x *= x;
            if x >= 2.0 {
                x /= 2.0;
                whole += step;
            }
            step /= 2;
        }
        costs[i] = whole;
        i += 1;
    }
    costs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_logarithms() {
        assert_eq!([0, 16, 32, 63].map(|i| COSTS[i]), [112, 31, 15, 0]);
    }
}
