//! Types that are another one in some wrapping: they have its repr, its bits and its changes.
//!
//! | type | travels as |
//! |---|---|
//! | `Rc<T>`, `Arc<T>`, `Wrapping<T>`, `Saturating<T>`, `Reverse<T>` | `T`; who shares an `Rc` is not told |
//! | `Cow<'_, T>` | `T`; what arrives is owned |
//! | `Box<str>`, `Rc<str>`, `Arc<str>`, `Cow<'_, str>` | `String` |
//! | `PhantomData<T>` | `()`: no bits |
//! | `Ipv4Addr` | `u32`, 32 bits; the first octet is the highest |
//! | `Ipv6Addr` | `u128`, 128 bits |
//! | `IpAddr` | 1 bit, then 32 bits (`1`, IPv4) or 128 (`0`, IPv6): a `Result` of the two |
//! | `SocketAddr` | `(IpAddr, u16)`: 49 or 145 bits; flow and scope of IPv6 do not travel |

use std::borrow::Cow;
use std::cmp::Reverse;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{Saturating, Wrapping};
use std::rc::Rc;
use std::sync::Arc;

use crate::wire::{Marshal, Shape, Sink, Source, WireError};

/// How to get to the other type, as a place, and back.
macro_rules! wraps {
    ($([$($generic:tt)*] $type:ty as $wire:ty, |$value:ident| $to:expr, |$inner:ident| $from:expr;)*) => {$(
        impl<$($generic)*> Marshal for $type {
            type Repr = <$wire as Marshal>::Repr;
            const LARGEST_BITS: usize = <$wire>::LARGEST_BITS;

            fn shape() -> Shape {
                <$wire>::shape()
            }

            #[inline]
            fn to_repr(&self) -> Self::Repr {
                let $value = self;
                <$wire>::to_repr(&$to)
            }

            #[inline]
            fn capture(&self, into: &mut Self::Repr) {
                let $value = self;
                <$wire>::capture(&$to, into);
            }

            #[inline]
            fn from_repr(repr: &Self::Repr) -> Self {
                let $inner = <$wire>::from_repr(repr);
                $from
            }

            #[inline]
            fn encode(repr: &Self::Repr, w: &mut impl Sink) {
                <$wire>::encode(repr, w);
            }

            #[inline]
            fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
                <$wire>::decode(r)
            }

            #[inline]
            fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
                <$wire>::encode_delta(repr, base, w);
            }

            #[inline]
            fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
                <$wire>::decode_delta(repr, r)
            }
        }
    )*};
}

wraps! {
    [T: Marshal] Rc<T> as T, |value| **value, |inner| Self::new(inner);
    [T: Marshal] Arc<T> as T, |value| **value, |inner| Self::new(inner);
    [T: Marshal] Wrapping<T> as T, |value| value.0, |inner| Self(inner);
    [T: Marshal] Saturating<T> as T, |value| value.0, |inner| Self(inner);
    [T: Marshal] Reverse<T> as T, |value| value.0, |inner| Self(inner);
    [T: Marshal + Clone] Cow<'_, T> as T, |value| **value, |inner| Self::Owned(inner);
    [T: ?Sized] PhantomData<T> as (), |_value| (), |_inner| Self;
    [] IpAddr as Result<Ipv4Addr, Ipv6Addr>,
        |value| match *value {
            Self::V4(address) => Ok(address),
            Self::V6(address) => Err(address),
        },
        |inner| inner.map_or_else(Self::V6, Self::V4);
    [] SocketAddr as (IpAddr, u16), |value| (value.ip(), value.port()), |inner| Self::from(inner);
    [] Ipv4Addr as u32, |value| value.to_bits(), |inner| Self::from_bits(inner);
    [] Ipv6Addr as u128, |value| value.to_bits(), |inner| Self::from_bits(inner);
}

#[cfg(feature = "uuid")]
wraps! {
    [] uuid::Uuid as u128, |value| value.as_u128(), |inner| Self::from_u128(inner);
}

/// Text that is not a `String`.
macro_rules! text {
    ($($type:ty, |$text:ident| $from:expr;)*) => {$(
        impl Marshal for $type {
            type Repr = String;

            fn shape() -> Shape {
                String::shape()
            }

            fn to_repr(&self) -> String {
                String::from(&**self)
            }

            fn capture(&self, into: &mut String) {
                into.clear();
                into.push_str(self);
            }

            fn from_repr($text: &String) -> Self {
                $from
            }

            fn encode(repr: &String, w: &mut impl Sink) {
                String::encode(repr, w);
            }

            fn decode(r: &mut impl Source) -> Result<String, WireError> {
                String::decode(r)
            }

            fn encode_delta(repr: &String, base: &String, w: &mut impl Sink) {
                String::encode_delta(repr, base, w);
            }

            fn decode_delta(repr: &mut String, r: &mut impl Source) -> Result<(), WireError> {
                String::decode_delta(repr, r)
            }
        }
    )*};
}

text! {
    Box<str>, |text| text.as_str().into();
    Rc<str>, |text| text.as_str().into();
    Arc<str>, |text| text.as_str().into();
    Cow<'_, str>, |text| Self::Owned(text.clone());
}

/// 1 bit "ok", then the value; as a change if the base has one of the same kind.
impl<T: Marshal, E: Marshal> Marshal for Result<T, E> {
    type Repr = Result<T::Repr, E::Repr>;
    const LARGEST_BITS: usize = {
        let (ok, err) = (T::LARGEST_BITS, E::LARGEST_BITS);
        if ok > err { ok.saturating_add(1) } else { err.saturating_add(1) }
    };

    fn shape() -> Shape {
        Shape::named("result", [T::shape(), E::shape()])
    }

    #[inline]
    fn to_repr(&self) -> Self::Repr {
        self.as_ref().map(T::to_repr).map_err(E::to_repr)
    }

    #[inline]
    fn capture(&self, into: &mut Self::Repr) {
        match (self, into) {
            (Ok(value), Ok(into)) => value.capture(into),
            (Err(value), Err(into)) => value.capture(into),
            (value, into) => *into = value.to_repr(),
        }
    }

    #[inline]
    fn from_repr(repr: &Self::Repr) -> Self {
        repr.as_ref().map(T::from_repr).map_err(E::from_repr)
    }

    #[inline]
    fn assign(&mut self, repr: &Self::Repr) {
        match (self, repr) {
            (Ok(value), Ok(repr)) => value.assign(repr),
            (Err(value), Err(repr)) => value.assign(repr),
            (value, repr) => *value = Self::from_repr(repr),
        }
    }

    #[inline]
    fn encode(repr: &Self::Repr, w: &mut impl Sink) {
        w.bool(repr.is_ok());
        match repr {
            Ok(repr) => T::encode(repr, w),
            Err(repr) => E::encode(repr, w),
        }
    }

    #[inline]
    fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
        if r.bool()? { T::decode(r).map(Ok) } else { E::decode(r).map(Err) }
    }

    #[inline]
    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        w.bool(repr.is_ok());
        match (repr, base) {
            (Ok(repr), Ok(base)) => T::encode_delta(repr, base, w),
            (Err(repr), Err(base)) => E::encode_delta(repr, base, w),
            (Ok(repr), Err(_)) => T::encode(repr, w),
            (Err(repr), Ok(_)) => E::encode(repr, w),
        }
    }

    #[inline]
    fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        match (r.bool()?, repr) {
            (true, Ok(repr)) => T::decode_delta(repr, r)?,
            (false, Err(repr)) => E::decode_delta(repr, r)?,
            (true, repr) => *repr = Ok(T::decode(r)?),
            (false, repr) => *repr = Err(E::decode(r)?),
        }
        Ok(())
    }
}
