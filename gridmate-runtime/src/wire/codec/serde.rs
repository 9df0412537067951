//! Types that know serde and nothing of this crate.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::ELEMENTS;
use crate::wire::containers::{fits, read_bytes_change, read_len, write_bytes_change, write_len};
use crate::wire::{Codec, Shape, Sink, Source, WireError};

/// Any type that serde writes and reads, as the bytes that [postcard](https://docs.rs/postcard) makes of it.
///
/// Alone: the number of bytes as a varint, 8 bits below 128, and the bytes. A change is a splice of them (see
/// [`wire`](crate::wire)'s containers): bytes that stay in front and at the end are not sent again.
///
/// A value must come back as it went and give the same bytes again, or it fails as [`Invalid`](WireError::Invalid): types
/// with a `HashMap` inside do, for want of an order, and so do types that only self-describing formats can read. What is
/// longer than [`ELEMENTS`] bytes is [`TooLong`](WireError::TooLong). The layout of the bytes is not in the fingerprint;
/// both ends must have the same type. Making and checking bytes allocates: what changes every tick should derive
/// `Marshal` instead.
///
/// ```
/// use gridmate_runtime::wire::{BitReader, BitWriter, Codec, codec::Serde};
///
/// #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// struct Weather {
///     wind: f32,
///     rain: bool,
/// }
///
/// let weather = Weather { wind: 1.5, rain: true };
/// let mut w = BitWriter::new();
/// Serde.marshal(&weather, &mut w);
/// assert_eq!(w.len(), 8 + 5 * 8);
/// assert_eq!(Serde.unmarshal(&mut BitReader::new(w.finish())), Ok(weather));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Serde;

/// The bytes of a value; none if it could not be written as bytes.
///
/// ```
/// use gridmate_runtime::wire::Codec;
/// use gridmate_runtime::wire::codec::{Serde, SerdeRepr};
///
/// let sent = |name: &str| -> SerdeRepr { Serde.to_repr(&name.to_owned()) };
/// assert_eq!(sent("ada"), sent("ada")); // nothing to send
/// let name: String = Serde.from_repr(&sent("bob"));
/// assert_eq!(name, "bob");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerdeRepr(Option<Vec<u8>>);

impl SerdeRepr {
    /// The bytes, if there are any that stand for themselves as a `T`.
    fn sound<T: Serialize + DeserializeOwned>(&self) -> Result<&[u8], WireError> {
        let bytes = self.0.as_deref().ok_or(WireError::Invalid)?;
        let value: T = postcard::from_bytes(bytes).map_err(|_| WireError::Invalid)?;
        if postcard::to_allocvec(&value).is_ok_and(|again| again == bytes) {
            Ok(bytes)
        } else {
            Err(WireError::Invalid)
        }
    }
}

impl<T: Serialize + DeserializeOwned> Codec<T> for Serde {
    type Repr = SerdeRepr;

    fn shape(&self) -> Shape {
        Shape::leaf("postcard")
    }

    fn to_repr(&self, value: &T) -> SerdeRepr {
        SerdeRepr(postcard::to_allocvec(value).ok())
    }

    /// # Panics
    /// When the repr is of a value that could not be written or read back. Such a repr is never sent.
    fn from_repr(&self, repr: &SerdeRepr) -> T {
        repr.0
            .as_deref()
            .and_then(|bytes| postcard::from_bytes(bytes).ok())
            .expect("a repr that was sent or read has been read once before")
    }

    fn assign(&self, value: &mut T, repr: &SerdeRepr) {
        if let Some(new) = repr.0.as_deref().and_then(|bytes| postcard::from_bytes(bytes).ok()) {
            *value = new;
        }
    }

    fn encode(&self, repr: &SerdeRepr, w: &mut impl Sink) {
        match repr.sound::<T>() {
            Ok(bytes) => {
                if write_len(bytes.len(), w) {
                    w.bytes(bytes);
                }
            }
            Err(error) => w.fail(error),
        }
    }

    fn decode(&self, r: &mut impl Source) -> Result<SerdeRepr, WireError> {
        let len = read_len(r)?;
        if r.remaining() < len * 8 {
            return Err(WireError::UnexpectedEnd);
        }
        let mut bytes = vec![0; len];
        r.bytes(&mut bytes)?;
        let repr = SerdeRepr(Some(bytes));
        repr.sound::<T>()?;
        Ok(repr)
    }

    fn encode_delta(&self, repr: &SerdeRepr, base: &SerdeRepr, w: &mut impl Sink) {
        match repr.sound::<T>() {
            Ok(bytes) => {
                if fits(bytes.len(), ELEMENTS, w) {
                    write_bytes_change(bytes, base.0.as_deref().unwrap_or_default(), w);
                }
            }
            Err(error) => w.fail(error),
        }
    }

    fn decode_delta(&self, repr: &mut SerdeRepr, r: &mut impl Source) -> Result<(), WireError> {
        read_bytes_change(repr.0.get_or_insert_default(), ELEMENTS, r)?;
        repr.sound::<T>().map(drop)
    }
}
