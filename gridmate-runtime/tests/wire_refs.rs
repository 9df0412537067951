//! References to entities: their bytes, their costs, and what is no reference.

mod laws;

use gridmate_runtime::wire::codec::ByReplica;
use gridmate_runtime::wire::{BitReader, Codec, WireError};
use gridmate_runtime::{EntityRef, MemberId, ReplicaId};
use laws::{change, change_cost, garbage, golden, golden_change, laws};
use proptest::prelude::*;

fn to(creator: u32, serial: u32) -> EntityRef {
    EntityRef::new(ReplicaId { creator: MemberId(creator), serial })
}

#[test]
fn a_reference_is_a_creator_and_a_serial() {
    golden(&ByReplica, &EntityRef::NONE, 1, &[0]);
    golden(&ByReplica, &None::<EntityRef>, 1, &[0]);
    // 1, 1, 1
    golden(&ByReplica, &to(1, 1), 3, &[0b111]);
    // 1, 011 (3 is 0 1 1), 00110 (5)
    golden(&ByReplica, &to(3, 5), 9, &[0b1100_1101, 0b0000_0000]);
    golden(&ByReplica, &Some(to(3, 5)), 9, &[0b1100_1101, 0b0000_0000]);
    golden(&ByReplica, &to(1, 100), 15, &[0b0000_0011, 0b0100_1001]);
    let widest = ByReplica.to_repr(&to(u32::MAX, u32::MAX));
    assert_eq!(laws::alone::<EntityRef, _>(&ByReplica, &widest).1, 1 + 63 + 63);
}

#[test]
fn a_change_costs_what_the_table_says() {
    let costs = [101, 109, 612, 131_000].map(|serial| change_cost(&ByReplica, &to(2, 100), &to(2, serial)));
    assert_eq!(costs, [7, 13, 13, 21]);
    assert_eq!(change_cost(&ByReplica, &to(2, 1), &to(2, 1 << 30)), 35);
    assert_eq!(change_cost(&ByReplica, &to(2, 100), &to(1, 100)), 1 + 15);
    assert_eq!(change_cost(&ByReplica, &to(2, 100), &EntityRef::NONE), 2);
    assert_eq!(change_cost(&ByReplica, &EntityRef::NONE, &to(1, 100)), 15);
}

#[test]
fn changes_are_pinned_to_the_bit() {
    // The creator stays: 1; rung 0: 00; one up is distance 1, in four bits.
    golden_change(&ByReplica, &to(2, 100), &to(2, 101), 7, &[0b1001]);
    // Another: 0; then as alone, 1, 1 and 011.
    golden_change(&ByReplica, &to(2, 100), &to(1, 3), 6, &[0b11_0110]);
    golden_change(&ByReplica, &to(2, 100), &EntityRef::NONE, 2, &[0]);
}

#[test]
fn nothing_is_always_the_same_nothing() {
    for nothing in [to(0, 5), to(5, 0), to(0, 0), EntityRef::from(None), EntityRef::default()] {
        assert_eq!(nothing, EntityRef::NONE);
        assert!(nothing.is_none());
    }
    assert_eq!(Codec::<Option<EntityRef>>::to_repr(&ByReplica, &Some(EntityRef::NONE)), EntityRef::NONE);
    assert_eq!(Codec::<Option<EntityRef>>::from_repr(&ByReplica, &EntityRef::NONE), None);
    assert_eq!([to(1, 7).to_string(), EntityRef::NONE.to_string()], ["entity #1.7", "no entity"]);
    assert_eq!(Codec::<EntityRef>::shape(&ByReplica), Codec::<Option<EntityRef>>::shape(&ByReplica));
}

#[test]
fn a_change_to_no_serial_is_refused() {
    // The same creator, and a serial one below the first.
    let (bytes, _) = change::<EntityRef, _>(&ByReplica, &to(1, 1), &to(1, 2));
    let mut repr = to(1, 1);
    let read = Codec::<EntityRef>::decode_delta(&ByReplica, &mut repr, &mut BitReader::new(&bytes));
    assert_eq!(read, Err(WireError::Invalid));
}

fn any_ref() -> impl Strategy<Value = EntityRef> {
    prop_oneof![
        Just(EntityRef::NONE),
        (1u32..4, 1u32..300).prop_map(|(creator, serial)| to(creator, serial)),
        (any::<u32>(), any::<u32>()).prop_map(|(creator, serial)| to(creator, serial)),
    ]
}

proptest! {
    #[test]
    fn references_keep_the_laws(value in any_ref(), base in any_ref()) {
        laws(&ByReplica, &value, &base);
        laws(&ByReplica, &Some(value), &Some(base));
        laws(&ByReplica, &Some(value), &None);
        laws(&ByReplica, &None, &Some(base));
    }

    #[test]
    fn garbage_is_no_danger(base in any_ref(), bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
        garbage(&ByReplica, &base, &bytes);
        garbage(&ByReplica, &Some(base), &bytes);
    }
}
