//! A table of models: for each context how likely a decision is, and how sure that is.

use super::contexts::COUNT;
use super::prior;

/// How likely `true` is, in 1/65,536, and how many decisions that rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    pub(super) chance: u16,
    pub(super) seen: u8,
}

/// Decisions after which a model learns no slower.
const SETTLED: u8 = 60;
/// No chance is below this, nor above 65,536 less this: so no decision costs more than 7 bits, nor less than a 90th of one.
const UNLIKELY: u16 = 512;
/// Decisions that a bit can hold at most, with something to spare.
pub(super) const DECISIONS_PER_BIT: usize = 96;

impl Model {
    pub(super) const fn new(chance: u16, seen: u8) -> Self {
        Self { chance, seen }
    }

    /// Moves towards what has happened.
    #[inline]
    pub(super) fn learn(&mut self, value: bool) {
        let rate = RATES[usize::from(self.seen)];
        let chance = u32::from(self.chance);
        let next = if value { chance + (((65_536 - chance) * rate) >> 16) } else { chance - ((chance * rate) >> 16) };
        #[expect(clippy::cast_possible_truncation, reason = "clamped to 16 bits")]
        let next = next.clamp(UNLIKELY.into(), 65_536 - u32::from(UNLIKELY)) as u16;
        self.chance = next;
        self.seen = (self.seen + 1).min(SETTLED);
    }
}

/// By how much of the way a model moves after so many decisions, in 1/65,536.
const RATES: [u32; SETTLED as usize + 1] = {
    let mut rates = [0; SETTLED as usize + 1];
    let mut seen = 0;
    let mut odd = 3;
    while seen < rates.len() {
        rates[seen] = (65_536 * 2) / odd;
        seen += 1;
        odd += 2;
    }
    rates
};

/// All models of a message.
#[derive(Clone, Debug)]
pub(super) struct Models {
    table: Box<[Model; COUNT]>,
}

impl Models {
    pub(super) fn new() -> Self {
        Self { table: Box::new(prior::TABLE) }
    }

    /// Forgets what was learned.
    pub(super) fn reset(&mut self) {
        self.table.copy_from_slice(&prior::TABLE);
    }

    #[inline]
    pub(super) fn of(&mut self, context: u16) -> &mut Model {
        // Contexts come from this module and are below the count; the remainder is never taken.
        &mut self.table[usize::from(context) % COUNT]
    }

    #[inline]
    pub(super) fn chance(&self, context: u16) -> u16 {
        self.table[usize::from(context) % COUNT].chance
    }
}
