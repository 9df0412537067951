//! Every collection, of elements of several kinds, alone and as a change, with its type's limit and with a small one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use bitvec::prelude::{BitVec, Lsb0, Msb0};
use core::fmt::Debug;
use gridmate_runtime::Marshal;
use gridmate_runtime::wire::Codec;
use gridmate_runtime::wire::codec::{MaxLen, Native};

use super::round_trip;
use super::script::Script;

type Hashed<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
type HashedSet<T> = HashSet<T, BuildHasherDefault<DefaultHasher>>;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    KINDS[script.pick(KINDS.len())](&mut script);
}

/// At the end new ones: what a recorded input means depends on the place.
const KINDS: &[fn(&mut Script<'_>)] = &[
    native::<Vec<u8>>,
    native::<Vec<Option<i16>>>,
    native::<Vec<(u32, bool)>>,
    native::<Vec<Vec<bool>>>,
    native::<Vec<String>>,
    native::<Vec<()>>,
    native::<VecDeque<u16>>,
    native::<String>,
    native::<Box<str>>,
    native::<Arc<[u8; 3]>>,
    native::<BTreeMap<u8, u16>>,
    native::<BTreeMap<String, Vec<u8>>>,
    native::<Hashed<i16, Option<u8>>>,
    native::<BTreeSet<u8>>,
    native::<BTreeSet<String>>,
    native::<BTreeSet<(u8, bool)>>,
    native::<HashedSet<u32>>,
    native::<BitVec<u8, Lsb0>>,
    native::<BitVec<u64, Msb0>>,
    native::<[Vec<u8>; 3]>,
    native::<(String, BTreeMap<u8, String>, Option<Vec<u8>>)>,
    limited::<Vec<u8>>,
    limited::<Vec<Option<i16>>>,
    limited::<VecDeque<u16>>,
    limited::<String>,
    limited::<BTreeMap<u8, u16>>,
    limited::<Hashed<i16, Option<u8>>>,
    limited::<BTreeSet<String>>,
    limited::<HashedSet<u32>>,
];

fn native<T: Marshal<Repr: Debug> + Default>(script: &mut Script<'_>) {
    round_trip::codec::<T, _>(&Native, script);
}

fn limited<T: Default>(script: &mut Script<'_>)
where
    MaxLen<6>: Codec<T, Repr: Debug>,
{
    round_trip::codec::<T, _>(&MaxLen::<6>, script);
}
