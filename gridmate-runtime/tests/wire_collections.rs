//! Lists, text, maps and sets: what a change of them costs, and that nothing breaks them.

mod laws;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};

use gridmate_runtime::limits::ELEMENTS;
use gridmate_runtime::wire::codec::{MaxLen, Native};
use gridmate_runtime::wire::{BitReader, BitWriter, Codec, Marshal, WireError};
use laws::{alone, change, change_cost, garbage, golden, laws};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

type Hashed<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
type HashedSet<T> = HashSet<T, BuildHasherDefault<DefaultHasher>>;

fn hundred() -> Vec<u32> {
    (0..100).map(|i| i * 1000).collect()
}

fn inventory() -> BTreeMap<u32, u16> {
    (0..100).map(|i| (i * 7, 10)).collect()
}

/// Bytes that a change and the value alone take.
fn bytes<T: Marshal>(from: &T, to: &T) -> (usize, usize) {
    let (from, to) = (from.to_repr(), to.to_repr());
    (change::<T, _>(&Native, &to, &from).0.len(), alone::<T, _>(&Native, &to).0.len())
}

#[test]
fn collections_alone_are_lengths_and_entries_in_order() {
    golden(&Native, &VecDeque::from([1_u8, 2, 3]), 32, &[3, 1, 2, 3]);
    golden(&Native, &BTreeMap::from([(2_u8, true), (1, false)]), 8 + 18, &[2, 1, 0b0000_0100, 0b10]);
    golden(&Native, &Hashed::from_iter([(2_u8, true), (1, false)]), 8 + 18, &[2, 1, 0b0000_0100, 0b10]);
    golden(&Native, &BTreeSet::from([9_u8, 5, 7]), 32, &[3, 5, 7, 9]);
    golden(&Native, &HashedSet::from_iter([9_u8, 5, 7]), 32, &[3, 5, 7, 9]);
    golden(&MaxLen::<3>, &BTreeSet::from([9_u8]), 10, &[0b10_0101, 0]);
    golden(&MaxLen::<7>, &BTreeMap::from([(1_u8, 2_u8)]), 3 + 16, &[0b0000_1001, 0b0001_0000, 0]);
    golden(&MaxLen::<7>, &VecDeque::from([true, true]), 5, &[0b1_1010]);
}

#[test]
fn changes_are_pinned_to_the_bit() {
    let delta = |from: &str, to: &str| change::<String, _>(&Native, &to.to_string(), &from.to_string());
    // 4 stay: 3 bits; 0 of 0 go: none; 1 comes: 010; 'd'.
    assert_eq!(delta("worl", "world"), (vec![0b0001_0100, 0b1_1001], 3 + 3 + 8));
    let map = |entries: &[(u8, u8)]| BTreeMap::from_iter(entries.iter().copied()).to_repr();
    let delta = |from: &[(u8, u8)], to: &[(u8, u8)]| change::<BTreeMap<u8, u8>, _>(&Native, &map(to), &map(from));
    // Asked: 1, 0, 1 changed 0 and 001 with selector 00; no new ones: 1.
    assert_eq!(delta(&[(1, 1), (2, 2)], &[(1, 1), (2, 3)]), (vec![0b1100_0101], 1 + 1 + 2 + 3 + 1));
    // All gone: 1, 11; one new: 010; key and value.
    assert_eq!(delta(&[(1, 1)], &[(5, 6)]), (vec![0b0101_0111, 0b1000_0001, 0b1], 3 + 3 + 16));
}

#[test]
fn one_element_in_a_hundred() {
    let from = hundred();
    let mut to = from.clone();
    to[40] += 1;
    assert_eq!(change_cost(&Native, &from, &to), 1 + 7 + 6 + 3 + 1 + 6);
    assert_eq!(bytes(&from, &to), (3, 401));
}

#[test]
fn in_front_in_the_middle_and_at_the_end() {
    let from = hundred();
    let pushed = [&from[..], &[5]].concat();
    assert_eq!(change_cost(&Native, &from, &pushed), 1 + 7 + 3 + 32);
    assert_eq!(bytes(&from, &pushed), (6, 405));
    assert_eq!(change_cost(&Native, &from, &from[1..].to_vec()), 1 + 7 + 7 + 1);
    assert_eq!(bytes(&from, &from[1..].to_vec()), (2, 397));
    let inserted = [&from[..50], &[5], &from[50..]].concat();
    assert_eq!(change_cost(&Native, &from, &inserted), 1 + 7 + 6 + 3 + 32);
    let queue = VecDeque::from(from.clone());
    let mut popped = queue.clone();
    popped.pop_front();
    assert_eq!(bytes(&queue, &popped), (2, 397));
    assert_eq!(bytes(&from, &vec![]), (2, 1));
}

#[test]
fn changes_all_over_ask_every_element() {
    let from = hundred();
    let to: Vec<u32> = from.iter().map(|value| value + 1).collect();
    assert_eq!(change_cost(&Native, &from, &to), 1 + 100 * (1 + 6));
}

#[test]
fn one_entry_of_a_map() {
    let from = inventory();
    let mut to = from.clone();
    to.insert(350, 11);
    assert_eq!(change_cost(&Native, &from, &to), 1 + 3 + 7 + 1 + 5 + 1);
    assert_eq!(bytes(&from, &to), (3, 601));
    to = from.clone();
    to.remove(&350);
    assert_eq!(change_cost(&Native, &from, &to), 1 + 3 + 7 + 1 + 1);
    to = from.clone();
    to.insert(351, 1);
    assert_eq!(change_cost(&Native, &from, &to), 1 + 1 + 3 + 48);
    let all = from.keys().map(|key| (*key, 11)).collect();
    assert_eq!(change_cost(&Native, &from, &all), 1 + 100 * (1 + 1 + 5) + 1);
    let seen: BTreeSet<u32> = from.keys().copied().collect();
    let fewer: BTreeSet<u32> = seen.iter().copied().filter(|id| *id != 350).collect();
    assert_eq!(change_cost(&Native, &seen, &fewer), 1 + 3 + 7 + 1);
}

#[test]
fn a_letter_typed() {
    let (from, to) = ("The quick brown fox jumps ove".to_string(), "The quick brown fox jumps over".to_string());
    assert_eq!(change_cost(&Native, &from, &to), 5 + 3 + 8);
    assert_eq!(bytes(&from, &to), (2, 31));
    assert_eq!(bytes(&"é".to_string(), &"è".to_string()), (2, 3), "half a letter");
}

#[test]
fn what_no_writer_writes_is_refused() {
    type Set = BTreeSet<u8>;
    let base = Set::from([1, 2, 3]).to_repr();
    let read = |write: &dyn Fn(&mut BitWriter)| {
        let mut w = BitWriter::new();
        write(&mut w);
        let mut repr = base.clone();
        Set::decode_delta(&mut repr, &mut BitReader::new(w.finish())).map(|()| repr.len())
    };
    let add = |w: &mut BitWriter, keys: &[u8]| {
        w.bits(0b10, 2);
        w.gamma(u32::try_from(keys.len()).unwrap() + 1);
        w.bytes(keys);
    };
    assert_eq!(read(&|w| add(w, &[4, 5])), Ok(5));
    assert_eq!(read(&|w| add(w, &[5, 4])), Err(WireError::Invalid));
    assert_eq!(read(&|w| add(w, &[5, 5])), Err(WireError::Invalid));
    assert_eq!(read(&|w| add(w, &[0, 2])), Err(WireError::Invalid), "there already");
    assert_eq!(read(&|w| w.bits(0b11_0100, 6)), Err(WireError::Invalid), "the fourth of three");
    assert_eq!(Set::decode(&mut BitReader::new(&[2, 5, 5])), Err(WireError::Invalid));
    assert_eq!(Set::decode(&mut BitReader::new(&[2, 5, 4])), Err(WireError::Invalid));
    let mut text = "é".to_string();
    assert_eq!(String::decode_delta(&mut text, &mut BitReader::new(&[0b1101])), Err(WireError::NotUtf8));
}

#[test]
fn limits_hold_for_changes() {
    let small: BTreeSet<u16> = (0..4).collect();
    let large: BTreeSet<u16> = (0..5).collect();
    let mut w = BitWriter::new();
    Codec::<BTreeSet<u16>>::encode_delta(&MaxLen::<4>, &large.to_repr(), &small.to_repr(), &mut w);
    assert_eq!((w.len(), w.error()), (0, Some(WireError::TooLong)));
    let (bytes, _) = change::<BTreeSet<u16>, _>(&Native, &large.to_repr(), &small.to_repr());
    let mut repr = small.to_repr();
    let read = Codec::<BTreeSet<u16>>::decode_delta(&MaxLen::<4>, &mut repr, &mut BitReader::new(&bytes));
    assert_eq!(read, Err(WireError::TooLong));
    let mut w = BitWriter::new();
    w.bits(0b10, 2);
    w.gamma(u32::try_from(ELEMENTS).unwrap() + 2);
    let bytes = w.finish().to_vec();
    assert_eq!(BTreeMap::<(), ()>::decode_delta(&mut vec![], &mut BitReader::new(&bytes[..])), Err(WireError::TooLong));
}

#[test]
fn assign_keeps_what_is_there() {
    let mut names = Hashed::from_iter([(1_u8, "a long name".to_string()), (2, "other".to_string())]);
    let at = names[&1].as_ptr();
    names.assign(&vec![(1, "short".to_string()), (3, "new".to_string())]);
    assert_eq!(names, Hashed::from_iter([(1, "short".to_string()), (3, "new".to_string())]));
    assert_eq!(names[&1].as_ptr(), at);
}

#[test]
fn shapes_name_key_and_value() {
    assert_eq!(<(BTreeMap<u8, String>, VecDeque<u8>)>::shape().to_string(), "tuple<map<u8, string>, vec<u8>>");
    assert_eq!(Hashed::<u8, HashedSet<i8>>::shape().to_string(), "map<u8, set<i8>>");
    assert_eq!(Codec::<BTreeMap<u8, bool>>::shape(&MaxLen::<9>).to_string(), "map<u8, bool, max 9>");
    assert_eq!(Codec::<BTreeSet<u8>>::shape(&MaxLen::<9>).to_string(), "set<u8, max 9>");
}

/// A list, and it again with a stretch replaced and an element changed.
fn edited() -> impl Strategy<Value = (Vec<u16>, Vec<u16>)> {
    (vec(any::<u16>(), 0..40), any::<[prop::sample::Index; 3]>(), vec(any::<u16>(), 0..5)).prop_map(
        |(from, at, new)| {
            let (mut to, mut ends) = (from.clone(), [at[0].index(from.len() + 1), at[1].index(from.len() + 1)]);
            ends.sort_unstable();
            to.splice(ends[0]..ends[1], new);
            if !to.is_empty() {
                let at = at[2].index(to.len());
                to[at] = to[at].wrapping_add(3);
            }
            (from, to)
        },
    )
}

proptest! {
    #[test]
    fn list_laws((a, b) in edited(), bytes in vec(any::<u8>(), 0..60)) {
        laws(&Native, &b, &a);
        laws(&MaxLen::<100>, &b, &a);
        laws(&Native, &VecDeque::from(b.clone()), &VecDeque::from(a.clone()));
        laws(&MaxLen::<100>, &VecDeque::from(b), &VecDeque::from(a.clone()));
        garbage(&Native, &a, &bytes);
        garbage(&MaxLen::<50>, &VecDeque::from(a), &bytes);
    }

    #[test]
    fn text_laws(a in "[aé]{0,20}", b in "[aé]{0,20}", far in "\\PC{0,20}", bytes in vec(any::<u8>(), 0..30)) {
        laws(&Native, &a, &b);
        laws(&Native, &far, &b);
        laws(&MaxLen::<100>, &a, &b);
        garbage(&Native, &a, &bytes);
        garbage(&MaxLen::<60>, &a, &bytes);
    }

    #[test]
    fn map_laws(
        a in btree_map(0_u8..60, any::<Option<i16>>(), 0..40), edits in btree_map(0_u8..60, any::<Option<Option<i16>>>(), 0..9),
        bytes in vec(any::<u8>(), 0..60),
    ) {
        let mut b = a.clone();
        for (key, value) in edits {
            match value {
                Some(value) => b.insert(key, value),
                None => b.remove(&key),
            };
        }
        let hashed = |map: &BTreeMap<u8, Option<i16>>| map.clone().into_iter().collect::<Hashed<_, _>>();
        laws(&Native, &b, &a);
        laws(&Native, &a, &BTreeMap::new());
        laws(&MaxLen::<99>, &b, &a);
        laws(&Native, &hashed(&b), &hashed(&a));
        laws(&MaxLen::<99>, &hashed(&b), &hashed(&a));
        garbage(&Native, &a, &bytes);
        garbage(&MaxLen::<60>, &hashed(&a), &bytes);
    }

    #[test]
    fn set_laws(a in btree_set("[ab]{0,4}", 0..20), b in btree_set("[ab]{0,4}", 0..20), bytes in vec(any::<u8>(), 0..60)) {
        let hashed = |set: &BTreeSet<String>| set.clone().into_iter().collect::<HashedSet<_>>();
        laws(&Native, &b, &a);
        laws(&MaxLen::<99>, &b, &a);
        laws(&Native, &hashed(&b), &hashed(&a));
        laws(&MaxLen::<99>, &hashed(&b), &hashed(&a));
        garbage(&Native, &a, &bytes);
        garbage(&MaxLen::<60>, &hashed(&a), &bytes);
    }

    #[test]
    fn integer_set_garbage(a in btree_set(any::<u8>(), 0..20), bytes in vec(any::<u8>(), 0..30)) {
        garbage(&Native, &a, &bytes);
        garbage(&Native, &a.into_iter().collect::<HashedSet<_>>(), &bytes);
    }
}
