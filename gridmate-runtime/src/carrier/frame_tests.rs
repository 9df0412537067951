use ChannelKind::{ReliableOrdered, ReliableUnordered, Unreliable, UnreliableSequenced};

use super::*;

const KINDS: [ChannelKind; 3] = [ReliableOrdered, UnreliableSequenced, Unreliable];

fn items(frames: &[u8]) -> Result<Vec<Item<'_>>, Malformed> {
    Items::new(frames, &KINDS).collect()
}

fn whole(sequence: u32, bytes: &[u8]) -> Item<'_> {
    Item::Segment { channel: 0, segment: Segment { sequence, part: false, more: false, bytes } }
}

#[test]
fn neighbours_share_a_header() {
    let (mut out, mut sent) = (Vec::new(), Sent::new(0));
    let mut w = FrameWriter::new(&mut out, &mut sent, 1_200);
    assert!(w.segment(0, 0x1FF_FFFF, false, false, b"a") && w.segment(0, 0x200_0000, false, false, b"bc"));
    assert!(w.segment(0, 0x200_0002, false, false, b""));
    assert!(w.message(1, b"d") && w.message(1, b"e") && w.message(1, b"f") && w.message(1, b"gh"));
    assert!(w.fragment(2, 0x1_0203, 1, 2, b"g") && !w.fragment(2, 0x1_0203, 1, 2, b"g"));
    assert!(w.control(Control::Marks(0x102)));
    assert_eq!(w.sole(), None);
    #[rustfmt::skip]
    let bytes = [
        0x20, 0xFF, 0xFF, 0xFF, 2, 1, b'a', 2, b'b', b'c',
        0x00, 2, 0, 0, 0,
        0x21, 0x83, 1, b'd', b'e', b'f',
        0x01, 2, b'g', b'h',
        0x42, 3, 2, 1, 2, 1, b'g',
        0xA5, 2, 1,
    ];
    assert_eq!(out, bytes);
    assert_eq!(
        items(&out).unwrap(),
        [
            whole(0xFF_FFFF, b"a"),
            whole(0, b"bc"),
            whole(2, b""),
            Item::Message { channel: 1, bytes: b"d" },
            Item::Message { channel: 1, bytes: b"e" },
            Item::Message { channel: 1, bytes: b"f" },
            Item::Message { channel: 1, bytes: b"gh" },
            Item::Fragment { channel: 2, fragment: Fragment { group: 0x203, index: 1, count: 2, bytes: b"g" } },
            Item::Control(Control::Marks(0x102)),
        ]
    );
}

#[test]
fn a_run_of_equal_messages_has_one_length() {
    let (mut out, mut sent) = (Vec::new(), Sent::new(0));
    let mut w = FrameWriter::new(&mut out, &mut sent, 1_200);
    let taken = (0..).take_while(|&i| w.segment(0, i, false, false, &[7; 64])).count();
    assert_eq!((taken, out.len()), (18, 1 + 3 + 1 + 1 + 18 * 64));
    assert_eq!(items(&out).unwrap().len(), 18);
    let (mut out, mut sent) = (Vec::new(), Sent::new(0));
    let mut w = FrameWriter::new(&mut out, &mut sent, 1_200);
    assert!((0..200).all(|_| w.message(2, b"x")));
    assert_eq!(items(&out).unwrap().len(), 200, "more than one frame holds");
    assert_eq!(out.len(), 200 + 2 * 3);
}

#[test]
fn a_message_alone_is_known() {
    let (mut out, mut sent) = (vec![1, 2, 3], Sent::new(0));
    let mut w = FrameWriter::new(&mut out, &mut sent, 1_200);
    assert!(w.segment(0, 5, false, false, b"only"));
    assert_eq!(w.sole(), Some(Sole { channel: 0, sequence: Some(5), len: 4 }));
    assert!(w.message(2, b"not any more"));
    assert_eq!(w.sole(), None);
    let mut w = FrameWriter::new(&mut out, &mut sent, 1_200);
    assert!(w.segment(0, 5, false, true, b"begins"));
    assert_eq!(w.sole(), None);
}

#[test]
fn halves_and_channels_beyond_five_bits() {
    let kinds = [ReliableUnordered; 256];
    let (mut out, mut sent) = (Vec::new(), Sent::new(0));
    let mut w = FrameWriter::new(&mut out, &mut sent, 1_200);
    assert!(w.half(30, 9, 0, true, false, b"abcde") && w.half(255, 9, 1, false, true, b"abcde"));
    assert!(w.segment(31, 1, true, true, b"z"));
    let found: Vec<_> = Items::new(&out, &kinds).map(Result::unwrap).collect();
    let segment = |part, more, bytes| Segment { sequence: 9, part, more, bytes };
    assert_eq!(found[0], Item::Half { channel: 30, half: 0, len: 5, segment: segment(true, false, b"abc".as_slice()) });
    assert_eq!(found[1], Item::Half { channel: 255, half: 1, len: 5, segment: segment(false, true, b"de") });
    assert!(matches!(found[2], Item::Segment { channel: 31, segment: Segment { part: true, more: true, .. } }));
}

#[test]
fn what_cannot_be_is_malformed() {
    let full = |header: &[u8], len: usize| {
        let mut bytes = header.to_vec();
        put_varint(&mut bytes, len);
        bytes.resize(bytes.len() + len, 7);
        items(&bytes).is_ok()
    };
    assert!(full(&[0x80, 0, 0, 0], 1));
    assert!(!full(&[0x80, 0, 0, 0], 0), "nothing that goes on");
    assert!(!full(&[0x40, 0, 0, 0], 0), "nothing that went on");
    assert!(full(&[0x00, 0, 0, 0], 0));
    assert!(!full(&[0x00, 0, 0, 0], limits::DATAGRAM_BYTES_MAX + 1), "too long");
    assert!(!full(&[0x81], 3), "MORE on an unreliable channel");
    assert!(!full(&[0x03], 3), "no such channel");
    assert!(!full(&[0x1F, 2], 3), "a channel below 31 in two bytes");
    assert!(!full(&[0x22, 1], 3), "a run of one");
    assert!(!full(&[0x22, 0x81], 3), "a uniform run of one");
    assert!(!full(&[0x22, 0x82], 3), "a uniform run cut short");
    assert!(!full(&[0x41, 0, 0, 1, 2], 3), "a fragment on a sequenced channel");
    assert!(!full(&[0x62, 0, 0, 1, 2], 3), "a fragment run");
    assert!(full(&[0x42, 0, 0, 1, 2], 3));
    assert!(!full(&[0x42, 0, 0, 1, 2], 0), "an empty fragment");
    assert!(!full(&[0x42, 0, 0, 0, 1], 3), "a group of one");
    assert!(!full(&[0x42, 0, 0, 0, 2], 3), "a short fragment that is not the last");
    assert!(!full(&[0x42, 0, 0, 0xFF, 2], limits::FRAGMENT_BYTES));
    assert!(items(&[0x60, 0, 0, 0, 7, 2, 9]).is_ok());
    assert!(items(&[0x60, 0, 0, 0, 8, 2, 9]).is_err(), "no such kind of half");
    assert!(items(&[0x60, 0, 0, 0, 7, 1, 9]).is_err(), "half a byte");
    assert!(items(&[0xA0, 0, 0]).is_ok() && items(&[0xA0, 0, 1]).is_err(), "padding is zeros");
    assert!(items(&[0xA6]).is_err(), "no such word");
    assert!(items(&[0xE5, 0, 0]).is_err(), "PART on a word");
}

#[test]
fn split_index_ge_count() {
    for (index, count) in [(2, 2), (3, 2), (255, 2), (0, 0), (255, 0), (16, 16)] {
        assert!(items(&[0x42, 0, 0, index, count, 1, 7]).is_err(), "{index} of {count}");
    }
}

#[test]
fn split_count_huge() {
    for count in 17..=255 {
        assert!(items(&[0x42, 0, 0, count - 1, count, 1, 7]).is_err());
    }
    assert!(items(&[0x42, 0, 0, 15, 16, 1, 7]).is_ok());
}
