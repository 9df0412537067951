//! Encodings that end early, for peers whose program has fewer datasets in a chunk: see [`Profile`](crate::schema::Profile).
//!
//! What is cut off is not there at all. The bits are those of a chunk type that has only the first datasets, so the peer needs to know
//! nothing of it; and its encodings, which end where its datasets do, leave the others here as they are.
//!
//! Both coders go through one type each way: code for each would be code for each chunk type. The coder under models always does, for
//! to ask which of the two it is costs nothing beside its arithmetic; packed bits do only when something is cut off.

use super::coder::{In, Out, Share};
use crate::wire::{Sink, Source, WireError};

/// A stream that lets so many datasets of a chunk pass, or all.
pub(super) struct Cut<S> {
    stream: S,
    left: u32,
}

impl<S> Cut<S> {
    pub(super) fn new(stream: S, share: Share) -> Self {
        Self { stream, left: share.unwrap_or(u32::MAX) }
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

    #[inline]
    fn stage(&mut self) -> &mut Self {
        self
    }

    #[inline]
    fn is_modelled(&self) -> bool {
        either!(Out, &self.stream, w => Sink::is_modelled(*w))
    }

    #[inline]
    fn dataset(&mut self) -> bool {
        self.passes()
    }

    #[inline]
    fn bits(&mut self, value: u64, count: u32) {
        either!(Out, &mut self.stream, w => Sink::bits(*w, value, count));
    }

    #[inline]
    fn bool(&mut self, value: bool) {
        either!(Out, &mut self.stream, w => Sink::bool(*w, value));
    }

    #[inline]
    fn differs(&mut self, differs: bool, moved: Option<bool>) {
        either!(Out, &mut self.stream, w => Sink::differs(*w, differs, moved));
    }

    #[inline]
    fn gamma(&mut self, value: u32) {
        either!(Out, &mut self.stream, w => Sink::gamma(*w, value));
    }

    #[inline]
    fn varint(&mut self, value: u64) {
        either!(Out, &mut self.stream, w => Sink::varint(*w, value));
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        either!(Out, &mut self.stream, w => Sink::bytes(*w, bytes));
    }

    #[inline]
    fn fail(&mut self, error: WireError) {
        either!(Out, &mut self.stream, w => Sink::fail(*w, error));
    }

    #[inline]
    fn residual(&mut self, value: i64, expected: u64) {
        either!(Out, &mut self.stream, w => Sink::residual(*w, value, expected));
    }
}

impl Source for Cut<In<'_, '_>> {
    type Stage<'a>
        = &'a mut Self
    where
        Self: 'a;

    #[inline]
    fn stage(&mut self) -> &mut Self {
        self
    }

    #[inline]
    fn is_modelled(&self) -> bool {
        either!(In, &self.stream, r => Source::is_modelled(*r))
    }

    #[inline]
    fn dataset(&mut self) -> bool {
        self.passes()
    }

    #[inline]
    fn bits(&mut self, count: u32) -> Result<u64, WireError> {
        either!(In, &mut self.stream, r => Source::bits(*r, count))
    }

    #[inline]
    fn bool(&mut self) -> Result<bool, WireError> {
        either!(In, &mut self.stream, r => Source::bool(*r))
    }

    #[inline]
    fn differs(&mut self, moved: Option<bool>) -> Result<bool, WireError> {
        either!(In, &mut self.stream, r => Source::differs(*r, moved))
    }

    #[inline]
    fn gamma(&mut self) -> Result<u32, WireError> {
        either!(In, &mut self.stream, r => Source::gamma(*r))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        either!(In, &mut self.stream, r => Source::varint(*r))
    }

    #[inline]
    fn bytes(&mut self, out: &mut [u8]) -> Result<(), WireError> {
        either!(In, &mut self.stream, r => Source::bytes(*r, out))
    }

    #[inline]
    fn remaining(&self) -> usize {
        either!(In, &self.stream, r => Source::remaining(*r))
    }

    #[inline]
    fn residual(&mut self, expected: u64) -> Result<i64, WireError> {
        either!(In, &mut self.stream, r => Source::residual(*r, expected))
    }
}
