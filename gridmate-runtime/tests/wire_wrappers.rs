//! Types that travel as others, results and bit sets: their bytes, their costs, and that nothing breaks them.

mod laws;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::num::{Saturating, Wrapping};
use std::rc::Rc;
use std::sync::Arc;

use bitvec::prelude::{BitVec, Lsb0, Msb0, bitvec};
use gridmate_runtime::limits::ELEMENTS;
use gridmate_runtime::wire::codec::Native;
use gridmate_runtime::wire::{BitReader, BitWriter, Marshal, WireError};
use laws::{change_cost, garbage, golden, laws};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn wrappers_have_the_bits_of_what_they_wrap() {
    golden(&Native, &Rc::new(0x1234_u16), 16, &[0x34, 0x12]);
    golden(&Native, &Arc::new(0x1234_u16), 16, &[0x34, 0x12]);
    golden(&Native, &Wrapping(-2_i8), 8, &[0xFE]);
    golden(&Native, &Saturating(7_u8), 8, &[7]);
    golden(&Native, &Reverse(7_u8), 8, &[7]);
    golden(&Native, &Cow::Borrowed(&9_u8), 8, &[9]);
    golden(&Native, &Cow::Borrowed("hi"), 24, &[2, b'h', b'i']);
    golden(&Native, &Arc::<str>::from("hi"), 24, &[2, b'h', b'i']);
    golden(&Native, &PhantomData::<String>, 0, &[]);
    assert_eq!(change_cost(&Native, &Arc::new(5_u32), &Arc::new(6)), 6);
    assert_eq!(change_cost(&Native, &Rc::<str>::from("ove"), &Rc::from("over")), 2 + 3 + 8);
}

#[test]
fn results_say_which() {
    golden(&Native, &Ok::<u8, u16>(0x41), 9, &[0x83, 0]);
    golden(&Native, &Err::<u8, u16>(0x41), 17, &[0x82, 0, 0]);
    let change = |from: &Result<u8, u16>, to: &Result<u8, u16>| change_cost(&Native, from, to);
    assert_eq!(change(&Ok(5), &Ok(6)), 1 + 3);
    assert_eq!(change(&Err(5), &Err(6)), 1 + 5);
    assert_eq!(change(&Ok(5), &Err(6)), 1 + 16);
}

#[test]
fn addresses_are_numbers() {
    let (four, six) = (Ipv4Addr::new(127, 0, 0, 1), Ipv6Addr::LOCALHOST);
    golden(&Native, &four, 32, &[1, 0, 0, 127]);
    golden(&Native, &six, 128, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    golden(&Native, &IpAddr::V4(four), 33, &[3, 0, 0, 254, 0]);
    golden(&Native, &SocketAddr::from((four, 0x8001)), 49, &[3, 0, 0, 254, 2, 0, 1]);
    assert_eq!(change_cost(&Native, &SocketAddr::from((four, 80)), &SocketAddr::from((four, 81))), 1 + 1 + 5);
    let scoped = SocketAddr::V6(SocketAddrV6::new(six, 5, 6, 7));
    assert_eq!(SocketAddr::from_repr(&scoped.to_repr()), SocketAddr::from((six, 5)));
}

#[test]
fn bit_sets_are_bits() {
    golden(&Native, &bitvec![u64, Msb0; 1, 0, 1], 11, &[3, 0b101]);
    golden(&Native, &bitvec![u8, Lsb0; 1; 70], 78, &[70, 255, 255, 255, 255, 255, 255, 255, 255, 0b11_1111]);
    let from: BitVec = BitVec::repeat(false, 1000);
    let mut to = from.clone();
    to.set(600, true);
    assert_eq!(change_cost(&Native, &from, &to), 10 + 9 + 3 + 1);
    let mut w = BitWriter::new();
    BitVec::<usize, Lsb0>::repeat(true, ELEMENTS + 1).marshal(&mut w);
    assert_eq!((w.len(), w.error()), (0, Some(WireError::TooLong)));
    let read = BitVec::<u8, Lsb0>::decode(&mut BitReader::new(&[0xFF, 0xFF, 0x03, 0xFF]));
    assert_eq!(read, Err(WireError::UnexpectedEnd), "room is made for bits that are there");
}

#[test]
fn shapes_look_through_wrappers() {
    assert_eq!(<(Rc<u8>, Arc<str>, Cow<'static, str>)>::shape().to_string(), "tuple<u8, string, string>");
    assert_eq!(<(Result<u8, ()>, PhantomData<u8>)>::shape().to_string(), "tuple<result<u8, unit>, unit>");
    assert_eq!(SocketAddr::shape().to_string(), "tuple<result<u32, u128>, u16>");
    assert_eq!(BitVec::<usize, Lsb0>::shape().to_string(), "bits");
}

#[cfg(feature = "uuid")]
#[test]
fn uuids_are_numbers() {
    let id = uuid::Uuid::from_u128(0x0102);
    golden(&Native, &id, 128, &[2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    laws(&Native, &id, &uuid::Uuid::nil());
    garbage(&Native, &id, &[0b101; 18]);
}

proptest! {
    #[test]
    fn wrapper_laws(a in any::<(u32, Vec<u8>, String)>(), b in any::<(u32, Vec<u8>, String)>(), bytes in vec(any::<u8>(), 0..60)) {
        let wrap = |(a, b, c): &(u32, Vec<u8>, String)| {
            (Rc::new(Wrapping(*a)), Arc::new(b.clone()), Cow::<str>::Owned(c.clone()), c.as_str().into())
        };
        type Wrapped = (Rc<Wrapping<u32>>, Arc<Vec<u8>>, Cow<'static, str>, Box<str>);
        let (a, b): (Wrapped, Wrapped) = (wrap(&a), wrap(&b));
        laws(&Native, &a, &b);
        garbage(&Native, &a, &bytes);
    }

    #[test]
    fn result_laws(a in any::<Result<u16, Option<i64>>>(), b in any::<Result<u16, Option<i64>>>(), bytes in any::<[u8; 9]>()) {
        laws(&Native, &a, &b);
        garbage(&Native, &a, &bytes);
    }

    #[test]
    fn address_laws(a in any::<(IpAddr, u16)>(), b in any::<(IpAddr, u16)>(), bytes in any::<[u8; 19]>()) {
        laws(&Native, &SocketAddr::from(a), &SocketAddr::from(b));
        garbage(&Native, &SocketAddr::from(a), &bytes);
    }

    #[test]
    fn bit_set_laws(a in vec(any::<bool>(), 0..200), b in vec(any::<bool>(), 0..200), bytes in vec(any::<u8>(), 0..40)) {
        let (a, b): (BitVec<u16, Msb0>, BitVec<u16, Msb0>) = (a.into_iter().collect(), b.into_iter().collect());
        laws(&Native, &a, &b);
        let mut c = a.clone();
        c.insert(a.len() / 2, true);
        laws(&Native, &c, &a);
        garbage(&Native, &a, &bytes);
    }
}
