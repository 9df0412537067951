//! Encodings that end early, for peers whose program has fewer datasets in a chunk: see [`Profile`](crate::schema::Profile).
//!
//! What is cut off is not there at all. The bits are those of a chunk type that has only the first datasets, so the peer needs to know
//! nothing of it; and its encodings, which end where its datasets do, leave the others here as they are.
//!
//! Both coders go through one type each way. Hardly any peer is of another age, and code for each would be code for each chunk type.

use super::coder::{In, Out};
use crate::wire::{Sink, Source, WireError};

/// A stream that lets so many datasets of a chunk pass.
pub(super) struct Cut<S> {
    stream: S,
    left: u32,
}

impl<S> Cut<S> {
    pub(super) const fn new(stream: S, datasets: u32) -> Self {
        Self { stream, left: datasets }
    }

    fn passes(&mut self) -> bool {
        let passes = self.left > 0;
        self.left = self.left.saturating_sub(1);
        passes
    }
}

/// Does the same to either stream.
macro_rules! either {
    ($kind:ident, $stream:expr, $s:ident => $does:expr) => {
        match $stream {
            $kind::Packed($s) => $does,
            $kind::Modelled($s) => $does,
        }
    };
}

impl Sink for Cut<Out<'_>> {
    type Stage<'a>
        = &'a mut Self
    where
        Self: 'a;

    fn stage(&mut self) -> &mut Self {
        self
    }

    fn is_modelled(&self) -> bool {
        either!(Out, &self.stream, w => Sink::is_modelled(*w))
    }

    fn dataset(&mut self) -> bool {
        self.passes()
    }

    fn bits(&mut self, value: u64, count: u32) {
        either!(Out, &mut self.stream, w => Sink::bits(*w, value, count));
    }

    fn bool(&mut self, value: bool) {
        either!(Out, &mut self.stream, w => Sink::bool(*w, value));
    }

    fn differs(&mut self, differs: bool, moved: Option<bool>) {
        either!(Out, &mut self.stream, w => Sink::differs(*w, differs, moved));
    }

    fn gamma(&mut self, value: u32) {
        either!(Out, &mut self.stream, w => Sink::gamma(*w, value));
    }

    fn varint(&mut self, value: u64) {
        either!(Out, &mut self.stream, w => Sink::varint(*w, value));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        either!(Out, &mut self.stream, w => Sink::bytes(*w, bytes));
    }

    fn fail(&mut self, error: WireError) {
        either!(Out, &mut self.stream, w => Sink::fail(*w, error));
    }

    fn residual(&mut self, value: i64, expected: u64) {
        either!(Out, &mut self.stream, w => Sink::residual(*w, value, expected));
    }
}

impl Source for Cut<In<'_, '_>> {
    type Stage<'a>
        = &'a mut Self
    where
        Self: 'a;

    fn stage(&mut self) -> &mut Self {
        self
    }

    fn is_modelled(&self) -> bool {
        either!(In, &self.stream, r => Source::is_modelled(*r))
    }

    fn dataset(&mut self) -> bool {
        self.passes()
    }

    fn bits(&mut self, count: u32) -> Result<u64, WireError> {
        either!(In, &mut self.stream, r => Source::bits(*r, count))
    }

    fn bool(&mut self) -> Result<bool, WireError> {
        either!(In, &mut self.stream, r => Source::bool(*r))
    }

    fn differs(&mut self, moved: Option<bool>) -> Result<bool, WireError> {
        either!(In, &mut self.stream, r => Source::differs(*r, moved))
    }

    fn gamma(&mut self) -> Result<u32, WireError> {
        either!(In, &mut self.stream, r => Source::gamma(*r))
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        either!(In, &mut self.stream, r => Source::varint(*r))
    }

    fn bytes(&mut self, out: &mut [u8]) -> Result<(), WireError> {
        either!(In, &mut self.stream, r => Source::bytes(*r, out))
    }

    fn remaining(&self) -> usize {
        either!(In, &self.stream, r => Source::remaining(*r))
    }

    fn residual(&mut self, expected: u64) -> Result<i64, WireError> {
        either!(In, &mut self.stream, r => Source::residual(*r, expected))
    }
}
