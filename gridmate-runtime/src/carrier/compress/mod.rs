//! Packets made smaller: the hook for a compressor, and when it is used.
//!
//! What a compressor sees is the frames of one packet, written as they would go without it; what it makes of them goes instead if that is
//! shorter by a few bytes. So a packet never gets longer, and each one can be read without the others. A connection
//! on which several packets in a row could not be made shorter tries fewer of them for a while.
//!
//! Both ends have to have the same compressor, with the same dictionary: the handshake says so, and a connection of ends that have not
//! goes without.

#[cfg(feature = "lz4")]
mod lz4;
#[cfg(test)]
mod tests;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(feature = "lz4")]
pub use lz4::Lz4;
#[cfg(feature = "zstd")]
pub use zstd::Zstd;

use core::fmt;
use std::sync::Arc;

use super::packet::{COMPRESSED_URGENT, Content, Reader, set_content};
use super::stats::Cause;
use crate::limits;

/// Bytes that compression has to save on a packet, its own byte counted: less is not worth the other end's time.
const LEAST_SAVED: usize = 4;

/// Content that is too short to be made shorter is not tried, bytes.
const LEAST_CONTENT: usize = 32;

/// Packets that could not be made shorter, count, after which some are not tried. One that could makes up for two.
const FAILURES: u8 = 3;

/// Two to the power of the failures are not tried then; to the power of this, at most.
const PAUSE: u8 = 7;

/// Makes the content of packets shorter, and long again.
///
/// Packets get lost and overtake each other, so nothing may be remembered from one to the next: what
/// [`decompress`](Self::decompress) makes of bytes depends on them and on the dictionary alone. One compressor serves all
/// connections of an endpoint.
///
/// Do not mix what an attacker can choose with secrets in the same packets over an encrypting driver: the length of a packet says how
/// much they have in common, which is how CRIME read cookies out of TLS. Leave compression off there.
///
/// ```
/// use std::sync::Arc;
/// use gridmate_runtime::carrier::{CarrierConfig, CompressionConfig, Compressor};
///
/// /// Writes a run of up to 255 zeros as a zero and its length.
/// #[derive(Debug)]
/// struct Zeros;
///
/// impl Compressor for Zeros {
///     fn id(&self) -> u8 {
///         200
///     }
///
///     fn compress(&mut self, mut input: &[u8], out: &mut [u8]) -> Option<usize> {
///         let mut len = 0;
///         while let Some(&byte) = input.first() {
///             let run = if byte == 0 { input.iter().take(255).take_while(|&&b| b == 0).count() } else { 1 };
///             *out.get_mut(len)? = byte;
///             len += 1;
///             if byte == 0 {
///                 *out.get_mut(len)? = run as u8;
///                 len += 1;
///             }
///             input = &input[run..];
///         }
///         Some(len)
///     }
///
///     fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
///         let (mut bytes, mut len) = (input.iter(), 0);
///         while let Some(&byte) = bytes.next() {
///             let run = if byte == 0 { usize::from(*bytes.next()?) } else { 1 };
///             out.get_mut(len..len + run)?.fill(byte);
///             len += run;
///         }
///         Some(len)
///     }
/// }
///
/// let (mut short, mut long) = ([0; 64], [0xFF; 64]);
/// let len = Zeros.compress(&[7, 0, 0, 0, 0, 0, 9], &mut short).unwrap();
/// assert_eq!(short[..len], [7, 0, 5, 9]);
/// assert_eq!(Zeros.decompress(&short[..len], &mut long), Some(7));
///
/// let mut config = CarrierConfig::new(7);
/// config.compression = CompressionConfig::Custom(Arc::new(|| Box::new(Zeros)));
/// ```
pub trait Compressor: fmt::Debug + Send {
    /// Says to the other end which format this is: 1 is LZ4, 2 zstd, up to 127 are reserved, 128 to 255 are the program's own. Never 0.
    fn id(&self) -> u8;

    /// Tells dictionaries apart, 0 being none. Ends with different ones do not compress.
    fn dictionary(&self) -> u32 {
        0
    }

    /// Writes `input` compressed to the beginning of `out`, which has [`limits::COMPRESSED_BYTES`], and says how many bytes that are;
    /// `None` when it cannot, or knows that it is not worth while.
    fn compress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize>;

    /// Writes what `input` was to the beginning of `out`, and says how many bytes that are; `None` when it is nothing that
    /// [`compress`](Self::compress) writes, or would be longer than `out`. The bytes come from the peer and may be anything.
    fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize>;
}

/// Makes the compressor of one endpoint.
type Make = Arc<dyn Fn() -> Box<dyn Compressor> + Send + Sync>;

/// Which compressor an endpoint has. Both ends of a connection need the same one, with the same dictionary, or data goes as it is.
///
/// ```
/// use std::sync::Arc;
/// use gridmate_runtime::carrier::CompressionConfig;
///
/// assert!(CompressionConfig::None.build().is_none());
/// # #[cfg(feature = "lz4")]
/// # {
/// let lz4 = CompressionConfig::Lz4 { dictionary: Arc::default() };
/// assert_eq!(lz4.build().map(|compressor| (compressor.id(), compressor.dictionary())), Some((1, 0)));
/// let with_names = CompressionConfig::Lz4 { dictionary: Arc::from(&b"sword shield potion"[..]) };
/// assert_ne!(with_names.build().map(|compressor| compressor.dictionary()), Some(0));
/// # }
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum CompressionConfig {
    /// None.
    #[default]
    None,
    /// [`Lz4`].
    #[cfg(feature = "lz4")]
    Lz4 {
        /// What packets are likely to have in common, the likeliest last; at most [`limits::DICTIONARY_BYTES`]. Empty for none.
        dictionary: Arc<[u8]>,
    },
    /// [`Zstd`].
    #[cfg(feature = "zstd")]
    Zstd {
        /// How hard to try: 1 is fast, 3 usual, 22 most.
        level: i32,
        /// The same, or what `zstd --train` has written; at most [`limits::DICTIONARY_BYTES`]. Empty for none.
        dictionary: Arc<[u8]>,
    },
    /// A compressor of the program's own.
    Custom(Make),
}

impl CompressionConfig {
    /// A new compressor, if there is to be one.
    ///
    /// # Panics
    /// When a dictionary is longer than [`limits::DICTIONARY_BYTES`].
    #[must_use]
    pub fn build(&self) -> Option<Box<dyn Compressor>> {
        match self {
            Self::None => None,
            #[cfg(feature = "lz4")]
            Self::Lz4 { dictionary } => Some(Box::new(Lz4::new(dictionary.clone()))),
            #[cfg(feature = "zstd")]
            Self::Zstd { level, dictionary } => Some(Box::new(Zstd::new(*level, dictionary))),
            Self::Custom(make) => Some(make()),
        }
    }
}

impl fmt::Debug for CompressionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            #[cfg(feature = "lz4")]
            Self::Lz4 { dictionary } => f.debug_struct("Lz4").field("dictionary", &dictionary.len()).finish(),
            #[cfg(feature = "zstd")]
            Self::Zstd { level, dictionary } => {
                f.debug_struct("Zstd").field("level", level).field("dictionary", &dictionary.len()).finish()
            }
            Self::Custom(_) => f.write_str("Custom(..)"),
        }
    }
}

/// What tells this dictionary from others.
#[cfg(any(feature = "lz4", feature = "zstd"))]
fn fingerprint(dictionary: &[u8]) -> u32 {
    assert!(
        dictionary.len() <= limits::DICTIONARY_BYTES,
        "a dictionary has at most {} bytes",
        limits::DICTIONARY_BYTES
    );
    if dictionary.is_empty() { 0 } else { crc32fast::hash(dictionary).max(1) }
}

/// Compressor and dictionary, as the handshake names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) id: u8,
    pub(super) dictionary: u32,
}

impl Offer {
    pub(super) const NONE: Self = Self { id: 0, dictionary: 0 };

    pub(super) fn of(compression: Option<&Compression>) -> Self {
        compression.map_or(Self::NONE, |compression| compression.offer)
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.push(self.id);
        if self.id != 0 {
            out.extend_from_slice(&self.dictionary.to_le_bytes());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let id = reader.u8()?;
        let dictionary = if id == 0 { 0 } else { reader.u32()? };
        Some(Self { id, dictionary })
    }
}

/// An endpoint's compressor and the places that it writes to.
#[derive(Debug)]
pub(super) struct Compression {
    compressor: Box<dyn Compressor>,
    offer: Offer,
    short: [u8; limits::COMPRESSED_BYTES],
    long: [u8; limits::DATAGRAM_BYTES_MAX],
}

impl Compression {
    pub(super) fn new(config: &CompressionConfig) -> Option<Box<Self>> {
        let compressor = config.build()?;
        let offer = Offer { id: compressor.id(), dictionary: compressor.dictionary() };
        assert!(offer.id != 0, "0 says that there is no compressor");
        let (short, long) = ([0; limits::COMPRESSED_BYTES], [0; limits::DATAGRAM_BYTES_MAX]);
        Some(Box::new(Self { compressor, offer, short, long }))
    }

    /// Puts compressed frames in the place of those that a packet has from `header` on, if that makes it shorter than
    /// `plain` bytes of content. Says by how much.
    pub(super) fn deflate(
        &mut self,
        trial: &mut Trial,
        out: &mut Vec<u8>,
        header: usize,
        plain: usize,
        urgent: bool,
    ) -> Option<usize> {
        if plain < LEAST_CONTENT || !trial.begin() {
            return None;
        }
        let len = self.compressor.compress(&out[header..], &mut self.short);
        let short = len.and_then(|len| self.short.get(..len)).filter(|short| short.len() + 1 + LEAST_SAVED <= plain);
        trial.end(short.is_some());
        let short = short?;
        out.truncate(header);
        out.push(if urgent { COMPRESSED_URGENT } else { 0 });
        out.extend_from_slice(short);
        set_content(out, Content::Compressed);
        Some(plain - short.len() - 1)
    }

    /// The frames that a peer has compressed.
    pub(super) fn inflate(&mut self, short: &[u8]) -> Result<&[u8], Cause> {
        let len = self.compressor.decompress(short, &mut self.long).filter(|len| *len > 0);
        len.and_then(|len| self.long.get(..len)).ok_or(Cause::Malformed)
    }
}

/// Whether compressing a connection's packets has been worth while lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trial {
    /// Packets that could not be made shorter, less those that could.
    failures: u8,
    /// Packets that go by untried.
    pause: u8,
}

impl Trial {
    /// Whether the next packet is to be tried.
    const fn begin(&mut self) -> bool {
        let now = self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        now
    }

    fn end(&mut self, shorter: bool) {
        if shorter {
            // One lucky packet among many is not worth beginning anew for.
            self.failures = self.failures.saturating_sub(2);
        } else {
            self.failures = (self.failures + 1).min(PAUSE);
            self.pause = if self.failures >= FAILURES { 1 << self.failures } else { 0 };
        }
    }
}
