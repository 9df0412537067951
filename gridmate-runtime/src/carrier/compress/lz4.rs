//! LZ4: the fastest there is, by way of `lz4_flex`, which is Rust throughout and has no `unsafe` code in the parts used here.

use core::fmt;
use std::sync::Arc;

use lz4_flex::block;

use super::{Compressor, fingerprint};

/// Compresses each packet as one block of LZ4, without a frame around it.
///
/// A dictionary is looked through for each packet: four kilobytes of it double the time. What is beyond twelve hardly helps.
///
/// ```
/// use gridmate_runtime::carrier::{Compressor, Lz4};
///
/// let mut lz4 = Lz4::new((*b"the quick brown fox jumps over the lazy dog").into());
/// let (mut short, mut long) = ([0; 2_048], [0; 1_500]);
/// let len = lz4.compress(b"the quick brown dog jumps over the lazy fox", &mut short).unwrap();
/// assert!(len < 30);
/// let back = lz4.decompress(&short[..len], &mut long).unwrap();
/// assert_eq!(&long[..back], b"the quick brown dog jumps over the lazy fox");
/// ```
pub struct Lz4 {
    dictionary: Arc<[u8]>,
    fingerprint: u32,
    table: block::CompressTable,
}

impl Lz4 {
    /// The id of this format.
    pub const ID: u8 = 1;

    /// With a dictionary, or without if it is empty.
    ///
    /// # Panics
    /// When the dictionary is longer than [`limits::DICTIONARY_BYTES`](crate::limits::DICTIONARY_BYTES).
    pub fn new(dictionary: Arc<[u8]>) -> Self {
        Self { fingerprint: fingerprint(&dictionary), dictionary, table: block::CompressTable::small() }
    }
}

impl Compressor for Lz4 {
    fn id(&self) -> u8 {
        Self::ID
    }

    fn dictionary(&self) -> u32 {
        self.fingerprint
    }

    fn compress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        if self.dictionary.is_empty() {
            block::compress_into_with_table(input, out, &mut self.table).ok()
        } else {
            block::compress_into_with_dict(input, out, &self.dictionary).ok()
        }
    }

    fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        block::decompress_into_with_dict(input, out, &self.dictionary).ok()
    }
}

impl fmt::Debug for Lz4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lz4").field("dictionary", &self.dictionary.len()).finish_non_exhaustive()
    }
}
