//! How each library writes and reads, with its buffer kept where it can be.

use std::fmt::Debug;
use std::hint::black_box;

use bincode::config;
use gridmate_runtime::prelude::*;
use gridmate_runtime::wire::{BitReader, BitWriter};
use rkyv::rancor::Error as RkyvError;
use rkyv::util::AlignedVec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use speedy::{Readable, Writable};

use crate::hand::{self, Packer, SLACK, Unpacker};
use crate::measure::Row;
use crate::model::{BATCH, Bare, Exact, Narrow, Plain, Quantised, items};

/// Each case's name, and its rows.
pub fn all() -> Vec<(&'static str, Vec<Row>)> {
    let items = items();
    let first = items[0].clone();
    vec![
        ("lossless_single", lossless(first.clone(), 1, plain_rkyv_single(&first))),
        ("lossless_batch", lossless(items.clone(), BATCH, plain_rkyv_batch(&items))),
        ("quantised_single", quantised_single(Quantised::from(&first))),
        ("quantised_batch", quantised_batch(items.iter().map(Quantised::from).collect())),
    ]
}

/// What travels in one message: an item, or the batch.
trait Message: Clone + Debug + PartialEq + 'static {
    type Exact: Marshal + Debug + PartialEq + 'static;
    type Bare: Marshal + Debug + PartialEq + 'static;
    type Narrow: Marshal + Debug + PartialEq + 'static;

    fn exact(&self) -> Self::Exact;
    fn bare(&self) -> Self::Bare;
    fn narrow(&self) -> Self::Narrow;
}

impl Message for Plain {
    type Exact = Exact;
    type Bare = Bare;
    type Narrow = Narrow;

    fn exact(&self) -> Exact {
        self.into()
    }

    fn bare(&self) -> Bare {
        self.into()
    }

    fn narrow(&self) -> Narrow {
        self.into()
    }
}

impl Message for Vec<Plain> {
    type Exact = Vec<Exact>;
    type Bare = Vec<Bare>;
    type Narrow = Vec<Narrow>;

    fn exact(&self) -> Vec<Exact> {
        self.iter().map(Exact::from).collect()
    }

    fn bare(&self) -> Vec<Bare> {
        self.iter().map(Bare::from).collect()
    }

    fn narrow(&self) -> Vec<Narrow> {
        self.iter().map(Narrow::from).collect()
    }
}

/// Does the work behind one call, as a program does it that has more to do. Without it, what is called is up to the compiler.
#[inline(never)]
fn called<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// What reading gives, timed as it is: to take the message out of it would be to move it.
trait Outcome<M> {
    fn message(self) -> M;
}

impl<M, E: Debug> Outcome<M> for Result<M, E> {
    fn message(self) -> M {
        self.unwrap()
    }
}

/// With the bytes it took.
impl<M, E: Debug> Outcome<M> for Result<(M, usize), E> {
    fn message(self) -> M {
        self.unwrap().0
    }
}

/// Everything that carries each value exactly.
fn lossless<M>(message: M, items: usize, rkyv: Vec<Row>) -> Vec<Row>
where
    M: Message + Serialize + DeserializeOwned + bincode::Encode + bincode::Decode<()>,
    M: bitcode::Encode + bitcode::DecodeOwned + borsh::BorshSerialize + borsh::BorshDeserialize,
    M: Writable<speedy::LittleEndian> + for<'a> Readable<'a, speedy::LittleEndian>,
    M: wincode::SchemaWrite<wincode::config::DefaultConfig, Src = M>,
    M: for<'a> wincode::SchemaRead<'a, wincode::config::DefaultConfig, Dst = M>,
{
    let room = 512 * items;
    let mut rows = vec![
        gridmate("gridmate", message.exact(), items),
        gridmate("gridmate_bare", message.bare(), items),
        gridmate("gridmate_narrow", message.narrow(), items),
        slice(
            "postcard_slice",
            &message,
            items,
            room,
            |message, out| postcard::to_slice(message, out).unwrap().len(),
            |bytes| postcard::from_bytes::<M>(bytes),
        ),
        buffer(
            "postcard_extend",
            &message,
            items,
            |message, out| {
                *out = postcard::to_extend(message, std::mem::take(out)).unwrap();
            },
            |bytes| postcard::from_bytes::<M>(bytes),
        ),
        slice(
            "bincode2_derive_slice",
            &message,
            items,
            room,
            |message, out| bincode::encode_into_slice(message, out, config::standard()).unwrap(),
            |bytes| bincode::decode_from_slice(bytes, config::standard()),
        ),
        buffer(
            "bincode2_derive",
            &message,
            items,
            |message, out| {
                bincode::encode_into_std_write(message, out, config::standard()).unwrap();
            },
            |bytes| bincode::decode_from_slice(bytes, config::standard()),
        ),
        buffer(
            "bincode2_derive_fixed",
            &message,
            items,
            |message, out| {
                bincode::encode_into_std_write(message, out, config::legacy()).unwrap();
            },
            |bytes| bincode::decode_from_slice(bytes, config::legacy()),
        ),
        buffer(
            "bincode2_serde",
            &message,
            items,
            |message, out| {
                bincode::serde::encode_into_std_write(message, out, config::standard()).unwrap();
            },
            |bytes| bincode::serde::decode_from_slice(bytes, config::standard()),
        ),
        bitcode_buffer(&message, items),
        owned(
            "bitcode_derive",
            &message,
            items,
            |message| bitcode::encode(message),
            |bytes| bitcode::decode::<M>(bytes),
        ),
        owned(
            "bitcode_serde",
            &message,
            items,
            |message| bitcode::serialize(message).unwrap(),
            |bytes| bitcode::deserialize::<M>(bytes),
        ),
        slice(
            "speedy_slice",
            &message,
            items,
            room,
            |message, out| {
                let len = message.bytes_needed().unwrap();
                message.write_to_buffer(&mut out[..len]).unwrap();
                len
            },
            |bytes| M::read_from_buffer(bytes),
        ),
        buffer(
            "speedy",
            &message,
            items,
            |message, out| message.write_to_stream(out).unwrap(),
            |bytes| M::read_from_buffer(bytes),
        ),
        slice(
            "wincode_slice",
            &message,
            items,
            room,
            |message, out| {
                let all = out.len();
                let mut rest = &mut *out;
                wincode::serialize_into(&mut rest, message).unwrap();
                all - rest.len()
            },
            |bytes| wincode::deserialize::<M>(bytes),
        ),
        buffer(
            "wincode",
            &message,
            items,
            |message, out| wincode::serialize_into(out, message).unwrap(),
            |bytes| wincode::deserialize::<M>(bytes),
        ),
        buffer(
            "borsh",
            &message,
            items,
            |message, out| borsh::to_writer(out, message).unwrap(),
            |bytes| borsh::from_slice::<M>(bytes),
        ),
        buffer(
            "serde_json",
            &message,
            items,
            |message, out| serde_json::to_writer(out, message).unwrap(),
            |bytes| serde_json::from_slice::<M>(bytes),
        ),
    ];
    rows.extend(rkyv);
    rows
}

/// Ours, with the writer kept.
fn gridmate<T: Marshal + Debug + PartialEq + 'static>(lib: &'static str, message: T, items: usize) -> Row {
    let mut w = BitWriter::new();
    message.marshal(&mut w);
    assert_eq!(w.error(), None);
    let bytes = w.finish().to_vec();
    assert_eq!(T::unmarshal(&mut BitReader::new(&bytes)).as_ref(), Ok(&message), "{lib}");
    gridmate_row(lib, message, bytes, items)
}

fn gridmate_row<T: Marshal + 'static>(lib: &'static str, message: T, bytes: Vec<u8>, items: usize) -> Row {
    let mut w = BitWriter::new();
    let len = bytes.len();
    let encode = move || {
        let write = || {
            w.clear();
            black_box(&message).marshal(&mut w);
            w.finish();
        };
        called(write);
        black_box(&w);
    };
    let decode = move || drop(black_box(called(|| T::unmarshal(&mut BitReader::new(black_box(&bytes))))));
    Row::new(lib, items, len, encode, decode)
}

/// Into a slice that is always there.
fn slice<M: Clone + Debug + PartialEq + 'static, R: Outcome<M>>(
    lib: &'static str,
    message: &M,
    items: usize,
    room: usize,
    write: impl Fn(&M, &mut [u8]) -> usize + 'static,
    read: impl Fn(&[u8]) -> R + 'static,
) -> Row {
    let (message, mut out) = (message.clone(), vec![0; room]);
    let len = write(&message, &mut out);
    let bytes = out[..len].to_vec();
    assert_eq!(read(&bytes).message(), message, "{lib}");
    let encode = move || {
        let len = called(|| write(black_box(&message), &mut out));
        black_box(&out[..len]);
    };
    let decode = move || drop(black_box(called(|| read(black_box(&bytes)))));
    Row::new(lib, items, len, encode, decode)
}

/// Into a `Vec` that is cleared and keeps its memory.
fn buffer<M: Clone + Debug + PartialEq + 'static, R: Outcome<M>>(
    lib: &'static str,
    message: &M,
    items: usize,
    write: impl Fn(&M, &mut Vec<u8>) + 'static,
    read: impl Fn(&[u8]) -> R + 'static,
) -> Row {
    let (message, mut out) = (message.clone(), Vec::new());
    write(&message, &mut out);
    let bytes = out.clone();
    assert_eq!(read(&bytes).message(), message, "{lib}");
    let len = bytes.len();
    let encode = move || {
        out.clear();
        called(|| write(black_box(&message), &mut out));
        black_box(&out);
    };
    let decode = move || drop(black_box(called(|| read(black_box(&bytes)))));
    Row::new(lib, items, len, encode, decode)
}

/// Into a new `Vec` every time.
fn owned<M: Clone + Debug + PartialEq + 'static, R: Outcome<M>>(
    lib: &'static str,
    message: &M,
    items: usize,
    write: impl Fn(&M) -> Vec<u8> + 'static,
    read: impl Fn(&[u8]) -> R + 'static,
) -> Row {
    let message = message.clone();
    let bytes = write(&message);
    assert_eq!(read(&bytes).message(), message, "{lib}");
    let len = bytes.len();
    let encode = move || drop(black_box(called(|| write(black_box(&message)))));
    let decode = move || drop(black_box(called(|| read(black_box(&bytes)))));
    Row::new(lib, items, len, encode, decode)
}

fn bitcode_buffer<M>(message: &M, items: usize) -> Row
where
    M: bitcode::Encode + bitcode::DecodeOwned + Clone + Debug + PartialEq + 'static,
{
    let (message, mut out, mut back) = (message.clone(), bitcode::Buffer::new(), bitcode::Buffer::new());
    let bytes = out.encode(&message).to_vec();
    assert_eq!(back.decode::<M>(&bytes).unwrap(), message, "bitcode_derive_buffer");
    let len = bytes.len();
    let encode = move || {
        black_box(called(|| out.encode(black_box(&message))));
    };
    let decode = move || drop(black_box(called(|| back.decode::<M>(black_box(&bytes)))));
    Row::new("bitcode_derive_buffer", items, len, encode, decode)
}

/// rkyv's bounds name its own types, so the message is written out rather than generic.
macro_rules! rkyv_rows {
    ($($name:ident: $message:ty, $items:expr, |$archived:ident| $access:expr;)*) => {$(
        fn $name(message: &$message) -> Vec<Row> {
            let message = message.clone();
            let bytes = rkyv::to_bytes::<RkyvError>(&message).unwrap();
            assert_eq!(rkyv::from_bytes::<$message, RkyvError>(&bytes).unwrap(), message, "rkyv");
            let (len, kept, access_bytes) = (bytes.len(), message.clone(), bytes.clone());
            let encode = move || drop(black_box(called(|| rkyv::to_bytes::<RkyvError>(black_box(&message)))));
            let decode = move || drop(black_box(called(|| rkyv::from_bytes::<$message, RkyvError>(black_box(&bytes)))));
            let mut out = AlignedVec::<16>::new();
            let encode_kept = move || {
                let mut taken = std::mem::take(&mut out);
                taken.clear();
                out = called(|| rkyv::api::high::to_bytes_in::<_, RkyvError>(black_box(&kept), taken)).unwrap();
                black_box(&out);
            };
            let access = move || {
                let $archived =
                    rkyv::access::<rkyv::Archived<$message>, RkyvError>(black_box(&access_bytes)).unwrap();
                $access;
            };
            vec![
                Row::new("rkyv", $items, len, encode, decode),
                Row::new("rkyv_reuse_access", $items, len, encode_kept, access),
            ]
        }
    )*};
}

rkyv_rows! {
    plain_rkyv_single: Plain, 1, |archived| look(archived);
    plain_rkyv_batch: Vec<Plain>, BATCH, |archived| archived.iter().for_each(look);
}

/// Reads every field in place, of the name the length.
fn look(item: &rkyv::Archived<Plain>) {
    black_box((item.id.to_native(), item.alive, item.crouching, item.firing, item.health.to_native()));
    black_box((item.position.map(|p| p.to_native()), item.rotation.map(|r| r.to_native())));
    black_box((item.name.len(), &item.weapon));
}

fn quantised_single(item: Quantised) -> Vec<Row> {
    let (packed, words) = (item.clone(), item.clone());
    let mut out = vec![0; hand::MOST];
    let len = pack(&mut out, &packed);
    let bytes = padded(&out[..len]);
    close(&Unpacker::new(&bytes).item().unwrap(), &item);
    let encode = move || {
        let len = called(|| pack(&mut out, black_box(&packed)));
        black_box(&out[..len]);
    };
    let decode = move || drop(black_box(called(|| Unpacker::new(black_box(&bytes)).item())));
    let by_hand = Row::new("hand_quantized", 1, len, encode, decode);

    let mut out = vec![0; hand::MOST];
    let len = hand::write_words(&words, &mut out);
    let bytes = out[..len].to_vec();
    close(&hand::read_words(&bytes).unwrap().0, &item);
    let encode = move || {
        let len = called(|| hand::write_words(black_box(&words), &mut out));
        black_box(&out[..len]);
    };
    let decode = move || drop(black_box(called(|| hand::read_words(black_box(&bytes)))));
    let in_words = Row::new("hand_quantized_words", 1, len, encode, decode);
    vec![quantised_gridmate(item, 1, close), by_hand, in_words]
}

fn quantised_batch(items: Vec<Quantised>) -> Vec<Row> {
    let (packed, words) = (items.clone(), items.clone());
    let all_close = |read: &Vec<Quantised>, sent: &Vec<Quantised>| {
        assert_eq!(read.len(), sent.len());
        read.iter().zip(sent).for_each(|(read, sent)| close(read, sent));
    };
    let mut out = vec![0; BATCH * hand::MOST];
    let len = pack_all(&mut out, &packed);
    let bytes = padded(&out[..len]);
    all_close(&unpack_all(&bytes), &items);
    let encode = move || {
        let len = called(|| pack_all(&mut out, black_box(&packed)));
        black_box(&out[..len]);
    };
    let decode = move || drop(black_box(called(|| unpack_all(black_box(&bytes)))));
    let by_hand = Row::new("hand_quantized", BATCH, len, encode, decode);

    let mut out = vec![0; BATCH * hand::MOST];
    let len = write_all_words(&mut out, &words);
    let bytes = out[..len].to_vec();
    all_close(&read_all_words(&bytes), &items);
    let encode = move || {
        let len = called(|| write_all_words(&mut out, black_box(&words)));
        black_box(&out[..len]);
    };
    let decode = move || drop(black_box(called(|| read_all_words(black_box(&bytes)))));
    let in_words = Row::new("hand_quantized_words", BATCH, len, encode, decode);
    vec![quantised_gridmate(items, BATCH, all_close), by_hand, in_words]
}

fn quantised_gridmate<T: Marshal + 'static>(message: T, items: usize, close: impl Fn(&T, &T)) -> Row {
    let mut w = BitWriter::new();
    message.marshal(&mut w);
    assert_eq!(w.error(), None);
    let bytes = w.finish().to_vec();
    let read = T::unmarshal(&mut BitReader::new(&bytes)).unwrap();
    close(&read, &message);
    // What was read is the same value to the wire.
    w.clear();
    read.marshal(&mut w);
    assert_eq!(w.finish(), bytes);
    gridmate_row("gridmate", message, bytes, items)
}

/// A name, an id and flags are the same, the rest within half a step, or what that comes to.
fn close(read: &Quantised, sent: &Quantised) {
    let exact = |item: &Quantised| (item.id, item.alive, item.crouching, item.firing, item.name.clone(), item.weapon);
    assert_eq!(exact(read), exact(sent));
    assert!((read.health - sent.health).abs() <= 0.5 * 100.0 / 255.0 + 1e-4);
    assert!((read.position - sent.position).abs().max_element() <= 0.5 * 512.0 / 65535.0 + 1e-4);
    assert!(read.rotation.angle_between(sent.rotation).to_degrees() <= 0.55);
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.extend([0; SLACK]);
    padded
}

#[inline(always)]
fn pack(out: &mut [u8], item: &Quantised) -> usize {
    let mut packer = Packer::new(out);
    packer.item(item);
    packer.finish()
}

/// A count in 32 bits on its own, then the items.
fn pack_all(out: &mut [u8], items: &[Quantised]) -> usize {
    out[..4].copy_from_slice(&(items.len() as u32).to_le_bytes());
    let mut packer = Packer::new(&mut out[4..]);
    items.iter().for_each(|item| packer.item(item));
    4 + packer.finish()
}

fn unpack_all(bytes: &[u8]) -> Vec<Quantised> {
    let count = u32::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut unpacker = Unpacker::new(&bytes[4..]);
    let mut items = Vec::with_capacity(count.min(bytes.len() / 15));
    for _ in 0..count {
        items.push(unpacker.item().unwrap());
    }
    items
}

fn write_all_words(out: &mut [u8], items: &[Quantised]) -> usize {
    out[..4].copy_from_slice(&(items.len() as u32).to_le_bytes());
    items.iter().fold(4, |at, item| at + hand::write_words(item, &mut out[at..]))
}

fn read_all_words(bytes: &[u8]) -> Vec<Quantised> {
    let count = u32::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut rest = &bytes[4..];
    let mut items = Vec::with_capacity(count.min(bytes.len() / 16));
    for _ in 0..count {
        let (item, len) = hand::read_words(rest).unwrap();
        items.push(item);
        rest = &rest[len..];
    }
    items
}
