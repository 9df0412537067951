//! Streams that stand for others.
//!
//! A method that has a default and is not passed on would write other bits than the stream behind it. So what there is to pass
//! on is listed once, here.

/// Of a [`Sink`](super::Sink) or [`Source`](super::Source) that has no use for stages: it gives itself.
macro_rules! itself_as_stage {
    () => {
        type Stage<'s>
            = &'s mut Self
        where
            Self: 's;

        #[inline]
        fn stage(&mut self) -> &mut Self {
            self
        }
    };
}

/// Everything of a [`Sink`](super::Sink) but its stages and datasets, by the stream that `$to!` gives a name to, borrowed as it
/// says. `aside` is left out: who writes through another has no registers of its own to leave, and writes the same.
macro_rules! sink_passed_on {
    ($to:ident) => {
        #[inline]
        fn is_modelled(&self) -> bool {
            $to!(&self, w => Sink::is_modelled(w))
        }

        #[inline]
        fn bits(&mut self, value: u64, count: u32) {
            $to!(&mut self, w => Sink::bits(w, value, count));
        }

        #[inline]
        fn long_bits(&mut self, value: u64, count: u32) {
            $to!(&mut self, w => Sink::long_bits(w, value, count));
        }

        #[inline]
        fn bool(&mut self, value: bool) {
            $to!(&mut self, w => Sink::bool(w, value));
        }

        #[inline]
        fn differs(&mut self, differs: bool, moved: Option<bool>) {
            $to!(&mut self, w => Sink::differs(w, differs, moved));
        }

        #[inline]
        fn gamma(&mut self, value: u32) {
            $to!(&mut self, w => Sink::gamma(w, value));
        }

        #[inline]
        fn varint(&mut self, value: u64) {
            $to!(&mut self, w => Sink::varint(w, value));
        }

        #[inline]
        fn bytes(&mut self, bytes: &[u8]) {
            $to!(&mut self, w => Sink::bytes(w, bytes));
        }

        #[inline]
        fn fail(&mut self, error: WireError) {
            $to!(&mut self, w => Sink::fail(w, error));
        }

        #[inline]
        fn residual(&mut self, value: i64, expected: u64) {
            $to!(&mut self, w => Sink::residual(w, value, expected));
        }
    };
}

/// As [`sink_passed_on`], of a [`Source`](super::Source). `aside` is left out: who reads through another has no window of its own to put
/// away, and reads the same.
macro_rules! source_passed_on {
    ($to:ident) => {
        #[inline]
        fn is_modelled(&self) -> bool {
            $to!(&self, r => Source::is_modelled(r))
        }

        #[inline]
        fn bits(&mut self, count: u32) -> Result<u64, WireError> {
            $to!(&mut self, r => Source::bits(r, count))
        }

        #[inline]
        fn at_hand(&mut self, wanted: u32) -> (u64, u32) {
            $to!(&mut self, r => Source::at_hand(r, wanted))
        }

        #[inline]
        fn pass(&mut self, count: u32) {
            $to!(&mut self, r => Source::pass(r, count));
        }

        #[inline]
        fn bool(&mut self) -> Result<bool, WireError> {
            $to!(&mut self, r => Source::bool(r))
        }

        #[inline]
        fn differs(&mut self, moved: Option<bool>) -> Result<bool, WireError> {
            $to!(&mut self, r => Source::differs(r, moved))
        }

        #[inline]
        fn gamma(&mut self) -> Result<u32, WireError> {
            $to!(&mut self, r => Source::gamma(r))
        }

        #[inline]
        fn varint(&mut self) -> Result<u64, WireError> {
            $to!(&mut self, r => Source::varint(r))
        }

        #[inline]
        fn bytes(&mut self, out: &mut [u8]) -> Result<(), WireError> {
            $to!(&mut self, r => Source::bytes(r, out))
        }

        #[inline]
        fn remaining(&self) -> usize {
            $to!(&self, r => Source::remaining(r))
        }

        #[inline]
        fn residual(&mut self, expected: u64) -> Result<i64, WireError> {
            $to!(&mut self, r => Source::residual(r, expected))
        }
    };
}

pub(crate) use {itself_as_stage, sink_passed_on, source_passed_on};
