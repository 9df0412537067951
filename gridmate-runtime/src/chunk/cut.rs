//! Encodings that end early, for peers whose program has fewer datasets in a chunk: see [`Profile`](crate::schema::Profile).
//!
//! What is cut off is not there at all. The bits are those of a chunk type that has only the first datasets, so the peer needs to know
//! nothing of it; and its encodings, which end where its datasets do, leave the others here as they are.
//!
//! Datasets that travel once, with `initial`, are written where a chunk is written whole. That is told by the stream as well; the
//! streams of bits themselves say no.
//!
//! Both coders go through one type each way: code for each would be code for each chunk type. The coder under models always does, for
//! to ask which of the two it is costs nothing beside its arithmetic. Packed bits do when something is cut off, and when a chunk is written
//! whole.

use super::coder::{In, Out, Share};
use crate::wire::forward::{itself_as_stage, sink_passed_on, source_passed_on};
use crate::wire::{Sink, Source, WireError};

/// A stream that lets so many datasets of a chunk pass, or all.
pub(super) struct Cut<S> {
    stream: S,
    left: u32,
    whole: bool,
}

impl<S> Cut<S> {
    pub(super) fn new(stream: S, share: Share) -> Self {
        Self { stream, left: share.unwrap_or(u32::MAX), whole: false }
    }

    /// With what travels once, or without.
    pub(super) fn whole(self, whole: bool) -> Self {
        Self { whole, ..self }
    }

    fn passes(&mut self) -> bool {
        let passes = self.left > 0;
        self.left = self.left.saturating_sub(1);
        passes
    }
}

/// Whichever stream it is, borrowed again.
macro_rules! either {
    ($kind:ident::{&$this:ident, $s:ident => $does:expr}) => {
        match &$this.stream {
            $kind::Packed(stream) => {
                let $s = &**stream;
                $does
            }
            $kind::Modelled(stream) => {
                let $s = &**stream;
                $does
            }
        }
    };
    ($kind:ident::{&mut $this:ident, $s:ident => $does:expr}) => {
        match &mut $this.stream {
            $kind::Packed(stream) => {
                let $s = &mut **stream;
                $does
            }
            $kind::Modelled(stream) => {
                let $s = &mut **stream;
                $does
            }
        }
    };
}

macro_rules! out {
    ($($what:tt)*) => { either!(Out::{$($what)*}) };
}

macro_rules! input {
    ($($what:tt)*) => { either!(In::{$($what)*}) };
}

impl Sink for Cut<Out<'_>> {
    itself_as_stage!();

    #[inline]
    fn dataset(&mut self) -> bool {
        self.passes()
    }

    #[inline]
    fn initial(&mut self) -> bool {
        self.passes() && self.whole
    }

    sink_passed_on!(out);
}

impl Source for Cut<In<'_, '_>> {
    itself_as_stage!();

    #[inline]
    fn dataset(&mut self) -> bool {
        self.passes()
    }

    #[inline]
    fn initial(&mut self) -> bool {
        self.passes() && self.whole
    }

    source_passed_on!(input);
}
