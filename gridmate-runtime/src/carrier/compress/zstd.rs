//! Zstandard, by way of the C library: shorter than LZ4 and several times slower; what it is for is a trained dictionary.

use core::fmt;

use zstd_safe::{CCtx, CParameter, DCtx, MAGICNUMBER};

use super::{Compressor, fingerprint};

const MAGIC: [u8; 4] = MAGICNUMBER.to_le_bytes();

/// Compresses each packet as one frame of zstd (RFC 8878) without the magic number, with which all begin, without checksum, length and
/// dictionary id: the packet and the handshake say all that.
///
/// ```
/// use gridmate_runtime::carrier::{Compressor, Zstd};
///
/// let mut zstd = Zstd::new(3, b"the quick brown fox jumps over the lazy dog");
/// let (mut short, mut long) = ([0; 2_048], [0; 1_500]);
/// let len = zstd.compress(b"the quick brown dog jumps over the lazy fox", &mut short).unwrap();
/// assert!(len < 30);
/// let back = zstd.decompress(&short[..len], &mut long).unwrap();
/// assert_eq!(&long[..back], b"the quick brown dog jumps over the lazy fox");
/// ```
pub struct Zstd {
    fingerprint: u32,
    level: i32,
    compress: CCtx<'static>,
    decompress: DCtx<'static>,
    /// What is to be decompressed, with the magic number before it.
    frame: Vec<u8>,
}

impl Zstd {
    /// The id of this format.
    pub const ID: u8 = 2;

    /// With a dictionary, or without if it is empty. Levels that there are not become the nearest that there is.
    ///
    /// # Panics
    /// When the dictionary is longer than [`limits::DICTIONARY_BYTES`](crate::limits::DICTIONARY_BYTES), or claims to be one of zstd's and is damaged.
    pub fn new(level: i32, dictionary: &[u8]) -> Self {
        let fingerprint = fingerprint(dictionary);
        let (mut compress, mut decompress) = (CCtx::create(), DCtx::create());
        let parameters = [
            CParameter::CompressionLevel(level),
            CParameter::ContentSizeFlag(false),
            CParameter::ChecksumFlag(false),
            CParameter::DictIdFlag(false),
        ];
        for parameter in parameters {
            compress.set_parameter(parameter).expect("a parameter that every version has");
        }
        if !dictionary.is_empty() {
            compress.load_dictionary(dictionary).expect("a sound dictionary");
            decompress.load_dictionary(dictionary).expect("a sound dictionary");
        }
        Self { fingerprint, level, compress, decompress, frame: Vec::new() }
    }
}

impl Compressor for Zstd {
    fn id(&self) -> u8 {
        Self::ID
    }

    fn dictionary(&self) -> u32 {
        self.fingerprint
    }

    fn compress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        let len = self.compress.compress2(out, input).ok()?;
        out.copy_within(MAGIC.len()..len, 0);
        len.checked_sub(MAGIC.len())
    }

    fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        self.frame.clear();
        self.frame.extend_from_slice(&MAGIC);
        self.frame.extend_from_slice(input);
        self.decompress.decompress(out, &self.frame).ok()
    }
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("level", &self.level).finish_non_exhaustive()
    }
}
