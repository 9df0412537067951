//! The two coders, as seen by the stores of chunks: where an encoding goes, and where it comes from.

use crate::schema::{ChunkDescriptor, Coder, DatasetDescriptor};
use crate::wire::entropy::{Reader, Recorder};
use crate::wire::{BitWriter, Sink, Source, Window};

/// How many of a chunk's datasets are exchanged with a peer, the first ones; all of them without a number.
pub(crate) type Share = Option<u32>;

/// How many datasets there are up to the first that is guessed from its past; none if no dataset is.
pub(super) fn first_predicted(descriptor: &ChunkDescriptor, coder: Coder) -> Option<u32> {
    // Models ask what was on the move, whether or not a guess is made of it.
    let asked = |(_, dataset): &(u32, &DatasetDescriptor)| coder == Coder::Entropy || (dataset.shape)().predicts();
    (1..).zip(descriptor.datasets).find(asked).map(|(count, _)| count)
}

/// Whether the past matters for what is shared. Where it does not, the other end names any.
pub(super) fn guesses(predicted: Option<u32>, share: Share) -> bool {
    predicted.is_some_and(|first| share.is_none_or(|datasets| datasets >= first))
}

/// Where the encoding of a chunk goes.
pub(crate) enum Out<'a> {
    Packed(&'a mut BitWriter),
    Modelled(&'a mut Recorder),
}

/// Where the encoding of a chunk comes from.
pub(crate) enum In<'a, 'b> {
    Packed(&'a mut Window<'b>),
    Modelled(&'a mut Reader<'b>),
}

/// What encodings are collected in, one after the other.
pub(crate) trait Collect: Sink {
    fn out(&mut self) -> Out<'_>;
    /// Where the next encoding starts.
    fn mark(&mut self) -> usize;
    /// Takes back everything from a mark on.
    fn rewind(&mut self, mark: usize);
    /// How long what stands from a mark on is, in its own units.
    fn length(&self, mark: usize) -> usize;
    /// How many bits that comes to, or no less than about so many.
    fn size(&self, mark: usize) -> usize;
    /// Whether it broke a limit of its own since this was asked last.
    fn take_fault(&mut self) -> bool;
}

/// What encodings are read from.
pub(crate) trait Supply<'b>: Source {
    /// The body of a record begins.
    fn begin_record(&mut self) {}
    fn input(&mut self) -> In<'_, 'b>;
}

/// Marks and lengths are bits.
impl Collect for BitWriter {
    fn out(&mut self) -> Out<'_> {
        Out::Packed(self)
    }

    fn mark(&mut self) -> usize {
        self.len()
    }

    fn rewind(&mut self, mark: usize) {
        self.truncate(mark);
    }

    fn length(&self, mark: usize) -> usize {
        self.len() - mark
    }

    fn size(&self, mark: usize) -> usize {
        self.length(mark)
    }

    fn take_fault(&mut self) -> bool {
        self.take_error().is_some()
    }
}

/// Marks and lengths are symbols.
impl Collect for Recorder {
    fn out(&mut self) -> Out<'_> {
        Out::Modelled(self)
    }

    fn mark(&mut self) -> usize {
        self.begin(RECORD, true);
        self.len()
    }

    fn rewind(&mut self, mark: usize) {
        self.truncate(mark);
        self.begin(RECORD, true);
    }

    fn length(&self, mark: usize) -> usize {
        self.len() - mark
    }

    fn size(&self, mark: usize) -> usize {
        self.bits_from(mark)
    }

    fn take_fault(&mut self) -> bool {
        self.take_error().is_some()
    }
}

impl<'b> Supply<'b> for Window<'b> {
    fn input(&mut self) -> In<'_, 'b> {
        In::Packed(self)
    }
}

/// The class that flags of records themselves go by.
const RECORD: u16 = u16::MAX;

impl<'b> Supply<'b> for Reader<'b> {
    fn begin_record(&mut self) {
        self.begin(RECORD, true);
    }

    fn input(&mut self) -> In<'_, 'b> {
        In::Modelled(self)
    }
}
