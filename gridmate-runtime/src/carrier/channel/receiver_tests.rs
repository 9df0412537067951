use super::*;
use crate::rng::Rng;

fn whole(sequence: u32, bytes: &[u8]) -> Segment<'_> {
    Segment { sequence, part: false, more: false, bytes }
}

fn ordered(first: u64) -> Receiver {
    Receiver::new(first, true, limits::MESSAGE_BYTES)
}

#[test]
fn ordered_gap_unbounded() {
    let (mut receiver, mut pool) = (ordered(0), Pool::default());
    let window = u32::try_from(limits::RELIABLE_WINDOW).unwrap();
    for sequence in 1..window {
        assert!(receiver.check(sequence));
        receiver.insert(whole(sequence, b"waits"), &mut pool, |_| panic!("out of order")).unwrap();
    }
    for sequence in [window, window + 1, 1 << 22, (1 << 23) - 1] {
        assert!(!receiver.check(sequence), "{sequence} is beyond the window");
    }
    assert!(receiver.held() <= limits::RELIABLE_WINDOW * 64);
    let mut delivered = 0;
    receiver.insert(whole(0, b"first"), &mut pool, |_| delivered += 1).unwrap();
    assert_eq!((delivered, receiver.held()), (window, 0));
}

#[test]
fn seq_max() {
    let (mut receiver, mut pool) = (ordered(0xFF_FFFE), Pool::default());
    let mut got = Vec::new();
    for sequence in [0xFF_FFFF, 0, 0xFF_FFFE, 0xFF_FFFE, 1] {
        assert!(receiver.check(sequence));
        receiver.insert(whole(sequence, &sequence.to_le_bytes()), &mut pool, |m| got.push(m[0])).unwrap();
    }
    assert_eq!(got, [0xFE, 0xFF, 0, 1]);
    assert!(receiver.check(0xFF_FFFD), "long behind: a repetition");
    assert_eq!(receiver.next, 0x100_0002);
}

#[test]
fn an_endless_message_is_an_error() {
    for kind in [true, false] {
        let (mut receiver, mut pool) = (Receiver::new(0, kind, 100_000), Pool::default());
        let full = [7; 1_000];
        let segment = |sequence| Segment { sequence, part: sequence > 0, more: true, bytes: &full };
        let end = (0..).find(|&i| receiver.insert(segment(i), &mut pool, |_| {}).is_err()).unwrap();
        assert_eq!(end, 100);
        assert!(receiver.held() <= 2 * 131_072);
    }
}

#[test]
fn parts_that_do_not_fit_together_are_an_error() {
    let (mut receiver, mut pool) = (ordered(0), Pool::default());
    let stray = Segment { sequence: 0, part: true, more: false, bytes: b"x" };
    assert_eq!(receiver.insert(stray, &mut pool, |_| {}), Err(TooLong));
    let mut receiver = ordered(0);
    let begin = Segment { sequence: 0, part: false, more: true, bytes: b"x" };
    receiver.insert(begin, &mut pool, |_| {}).unwrap();
    assert_eq!(receiver.insert(whole(1, b"y"), &mut pool, |_| {}), Err(TooLong));
}

/// Messages cut into segments, shuffled, repeated, some in halves: all of them arrive once, in order or as soon as they can.
#[test]
fn every_order_of_arrival_delivers_everything_once() {
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let is_ordered = seed % 2 == 0;
        let (mut receiver, mut pool) = (Receiver::new(seed, is_ordered, 10_000), Pool::default());
        let mut segments = Vec::new();
        let mut messages = Vec::new();
        for number in 0..40_u8 {
            let count = if rng.chance(0.6) { 1 } else { 1 + rng.below(6) };
            let mut message = Vec::new();
            for i in 0..count {
                let len = rng.below(30) + 2;
                let bytes: Vec<u8> = (0..len).map(|_| number).collect();
                message.extend_from_slice(&bytes);
                let sequence = u32::try_from(seed + segments.len() as u64).unwrap();
                segments.push((sequence, i > 0, i + 1 < count, bytes));
            }
            messages.push(message);
        }
        let mut arrivals: Vec<(usize, u8)> = Vec::new();
        for index in 0..segments.len() {
            let halves = rng.chance(0.2);
            arrivals.extend(if halves { vec![(index, 0), (index, 1)] } else { vec![(index, 2)] });
            if rng.chance(0.2) {
                arrivals.push((index, 2));
            }
        }
        for i in (1..arrivals.len()).rev() {
            arrivals.swap(i, usize::try_from(rng.below(i as u64 + 1)).unwrap());
        }
        let mut got = Vec::new();
        for (index, half) in arrivals {
            let (sequence, part, more, bytes) = &segments[index];
            let bytes = if half < 2 { &bytes[half_range(bytes.len(), half)] } else { &bytes[..] };
            let segment = Segment { sequence: *sequence, part: *part, more: *more, bytes };
            assert!(receiver.check(*sequence));
            if half < 2 {
                let len = segments[index].3.len();
                receiver.insert_half(half, len, segment, &mut pool, |m| got.push(m)).unwrap();
            } else {
                receiver.insert(segment, &mut pool, |m| got.push(m)).unwrap();
            }
        }
        if !is_ordered {
            got.sort();
        }
        assert_eq!(got, messages, "seed {seed}");
        assert_eq!((receiver.held, receiver.ahead.len()), (0, 0));
    }
}

#[test]
fn an_unordered_message_does_not_wait_for_a_gap() {
    let (mut receiver, mut pool) = (Receiver::new(0, false, 1_000), Pool::default());
    let mut got = Vec::new();
    receiver.insert(whole(3, b"c"), &mut pool, |m| got.push(m)).unwrap();
    let part = |sequence, part, more, bytes| Segment { sequence, part, more, bytes };
    receiver.insert(part(2, true, false, b"b"), &mut pool, |m| got.push(m)).unwrap();
    receiver.insert(part(1, false, true, b"a"), &mut pool, |m| got.push(m)).unwrap();
    assert_eq!(got, [b"c".to_vec(), b"ab".to_vec()]);
    assert_eq!(receiver.held(), 0);
    receiver.insert(whole(3, b"c"), &mut pool, |_| panic!("a repetition")).unwrap();
    receiver.insert(whole(0, b"z"), &mut pool, |m| got.push(m)).unwrap();
    assert_eq!((got.len(), receiver.next), (3, 4));
}
