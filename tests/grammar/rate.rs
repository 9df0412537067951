//! `rate = n`: changes go out so often at most, the first one at once, and what they came to in the end.

use core::time::Duration;

use gridmate_runtime::prelude::*;

use crate::shared;

/// A mesh ticks every 33 ms, so nearly every third tick has a change of this.
#[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
#[chunk(rate = 10, migratable)]
struct Clock {
    hours: u32,
    #[dataset(throttle = Epsilon(5.0))]
    minutes: i16,
}

#[test]
fn the_descriptor_has_it() {
    assert_eq!(Clock::DESCRIPTOR.rate, Some(10));
}

#[test]
fn changes_go_out_so_often_and_the_settled_value_arrives() {
    let (mut mesh, id) = shared(Clock { hours: 1, minutes: 0 });
    let proxy = |mesh: &gridmate_tests::mesh::Mesh| mesh.managers[1].get::<Clock>(id).unwrap().clone();
    assert_eq!(proxy(&mesh).hours, 1, "a first value is never withheld");
    // After a quiet time the first change goes out at once.
    mesh.managers[0].primary_mut::<Clock>(id).unwrap().hours = 2;
    mesh.run(3);
    assert_eq!(proxy(&mesh).hours, 2);
    mesh.run(10);
    let (mut seen, mut last) = (0, proxy(&mesh));
    let ticks = 303;
    for n in 0..ticks {
        mesh.managers[0].primary_mut::<Clock>(id).unwrap().hours = 10 + n;
        mesh.step();
        let now = proxy(&mesh);
        seen += u32::from(now != last);
        last = now;
    }
    let seconds = Duration::from_millis(33) * ticks;
    let allowed = u32::try_from(seconds.as_millis() / 100).unwrap();
    assert!((allowed - 3..=allowed + 1).contains(&seen), "{seen} changes in {seconds:?}, {allowed} are allowed");
    mesh.run(6);
    assert_eq!(proxy(&mesh).hours, 10 + ticks - 1, "what it came to");
    let before = mesh.messages;
    mesh.run(50);
    assert_eq!(mesh.messages, before, "and then there is silence");
}

#[test]
fn throttles_work_within_a_rate() {
    let (mut mesh, id) = shared(Clock::default());
    for n in 0..40_i16 {
        mesh.managers[0].primary_mut::<Clock>(id).unwrap().minutes = n % 3;
        mesh.step();
        assert_eq!(mesh.managers[1].get::<Clock>(id).unwrap().minutes, 0, "it trembled");
    }
    mesh.managers[0].primary_mut::<Clock>(id).unwrap().minutes = 2;
    mesh.run(u64::from(Epsilon::SETTLE) + 10);
    assert_eq!(mesh.managers[1].get::<Clock>(id).unwrap().minutes, 2);
}

#[test]
fn a_copy_that_goes_back_before_it_was_sent_has_gone_back() {
    let (mut mesh, id) = shared(Clock { hours: 1, minutes: 0 });
    for hours in [2, 3, 2] {
        mesh.managers[0].primary_mut::<Clock>(id).unwrap().merge(&Clock { hours, minutes: 0 });
        mesh.step();
    }
    mesh.run(10);
    assert!(mesh.managers.iter().all(|m| m.get::<Clock>(id).unwrap().hours == 2));
}
